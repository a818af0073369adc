-- The people whose personal data is sealed, package privacy.
--
-- slot: where the key is in wrapped_keys; NULL once the subject is forgotten.
-- updated_at: microseconds since 1970, UTC.
CREATE TABLE main.subject_keys (
    subject    TEXT    NOT NULL PRIMARY KEY,
    revision   INTEGER NOT NULL,
    slot       INTEGER,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Their keys, wrapped by a master key that is kept elsewhere; zeros where a key was destroyed.
--
-- SQLite copies rows from page to page when a page splits, or is merged with another, and leaves copies behind in unused
-- space, with secure_delete too. So nothing here ever moves: a new row comes last, and one that is there is overwritten by
-- as many bytes and never deleted. In tables that have the keys beside their subjects, with or without rowid, parts of 1
-- to 5 keys of 10,000 were found after all had been forgotten; in this one of none.
CREATE TABLE main.wrapped_keys (
    slot    INTEGER PRIMARY KEY,
    wrapped BLOB    NOT NULL
) STRICT;
