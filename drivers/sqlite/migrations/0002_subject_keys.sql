-- The keys of the people whose personal data is sealed, package privacy. They are wrapped by a master key that is kept
-- elsewhere. wrapped is NULL once a subject is forgotten.
CREATE TABLE subject_keys (
    subject    TEXT    NOT NULL PRIMARY KEY,
    revision   INTEGER NOT NULL,
    wrapped    BLOB,
    updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
