-- The keys of the people whose personal data is sealed, package privacy. They are wrapped by a master key that is kept
-- elsewhere. wrapped is NULL once a subject is forgotten.
CREATE TABLE IF NOT EXISTS {schema}.subject_keys (
    subject    text        COLLATE "C" NOT NULL,
    revision   bigint      NOT NULL,
    wrapped    bytea,
    updated_at timestamptz NOT NULL,
    CONSTRAINT subject_keys_pkey PRIMARY KEY (subject)
);
