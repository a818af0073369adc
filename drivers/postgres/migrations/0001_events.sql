-- The global log: every stream's events.
--
-- global_position has no default, so that nobody stores an event without having taken the lock that comes before the
-- number: see mark.go. CACHE 1, because a number that a connection keeps for later would come out of order. MAXVALUE
-- 2^40 - 1 is what fits into that lock's key; a table of 32 TB, the most that Postgres has, holds fewer events.
-- event_data, event_bytes: one of them holds the payload. JSON goes into event_data, as json rather than jsonb, which
--   keeps every byte (key order, spacing, digits, \u0000) and is faster to write and to read; other content types,
--   and JSON in a broken encoding, go into event_bytes.
-- metadata, tags: NULL where there are none.
-- append_size: how many events were appended together, in the first of them; 0 in the others.
-- COLLATE "C": names are compared byte by byte, whatever the database's collation and its next release say.
CREATE TABLE IF NOT EXISTS {schema}.events (
    id              uuid        NOT NULL,
    stream_id       text        COLLATE "C" NOT NULL,
    stream_type     text        COLLATE "C" NOT NULL,
    event_type      text        COLLATE "C" NOT NULL,
    schema_version  integer     NOT NULL,
    content_type    text        COLLATE "C" NOT NULL,
    event_data      json,
    event_bytes     bytea,
    metadata        json,
    tags            text[],
    version         bigint      NOT NULL,
    global_position bigint      NOT NULL,
    created_at      timestamptz NOT NULL,
    append_size     integer     NOT NULL,
    -- The log is read in this order.
    CONSTRAINT events_pkey PRIMARY KEY (global_position),
    -- Guards against a lost race, and finds a stream's version and its events.
    CONSTRAINT events_stream_key UNIQUE (stream_type, stream_id, version),
    -- Finds out that an append is a retry.
    CONSTRAINT events_id_key UNIQUE (id)
);

CREATE SEQUENCE IF NOT EXISTS {schema}.events_position_seq AS bigint
    MINVALUE 1 MAXVALUE 1099511627775 START 1 CACHE 1 NO CYCLE OWNED BY {schema}.events.global_position;

CREATE OR REPLACE FUNCTION {schema}.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION 'events are append-only: % is refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Append a correcting event instead.';
END
$body$;

DROP TRIGGER IF EXISTS events_append_only ON {schema}.events;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {schema}.events
    FOR EACH STATEMENT EXECUTE FUNCTION {schema}.refuse_change();

-- The latest snapshot of each stream. The state is stored like a payload.
CREATE TABLE IF NOT EXISTS {schema}.snapshots (
    stream_id      text        COLLATE "C" NOT NULL,
    stream_type    text        COLLATE "C" NOT NULL,
    version        bigint      NOT NULL,
    snapshot_type  text        COLLATE "C" NOT NULL,
    schema_version integer     NOT NULL,
    content_type   text        COLLATE "C" NOT NULL,
    snapshot_data  json,
    snapshot_bytes bytea,
    created_at     timestamptz NOT NULL,
    CONSTRAINT snapshots_pkey PRIMARY KEY (stream_type, stream_id)
);

-- How far each projection, or each of its partitions, has come in the global log, and who works on it.
--
-- owner: NULL if nobody does. A process that was killed stays the owner after its time is over, until another one comes.
-- token: grows with every change of owner; who has an older one can't move the position any more.
-- state: a JSON document, or NULL; json keeps every byte.
-- updated_at, leased_until: by the clocks of the processes.
CREATE TABLE IF NOT EXISTS {schema}.subscription_checkpoints (
    subscription_name text        COLLATE "C" NOT NULL,
    position          bigint      NOT NULL,
    updated_at        timestamptz NOT NULL,
    token             bigint      NOT NULL DEFAULT 0,
    owner             text        COLLATE "C",
    leased_until      timestamptz,
    state             json,
    CONSTRAINT subscription_checkpoints_pkey PRIMARY KEY (subscription_name)
);

-- The events that a projection could not handle. The events themselves stay in the log.
--
-- skipped: true if the event was left out for good; false if it waits, and the later ones of its stream with it.
-- request: what an operator asks for; empty if nothing.
CREATE TABLE IF NOT EXISTS {schema}.dead_letters (
    subscription_name text        COLLATE "C" NOT NULL,
    global_position   bigint      NOT NULL,
    stream_type       text        COLLATE "C" NOT NULL,
    stream_id         text        COLLATE "C" NOT NULL,
    version           bigint      NOT NULL,
    event_type        text        COLLATE "C" NOT NULL,
    skipped           boolean     NOT NULL,
    request           text        NOT NULL,
    error             text        NOT NULL,
    tries             integer     NOT NULL,
    first_at          timestamptz NOT NULL,
    last_at           timestamptz NOT NULL,
    CONSTRAINT dead_letters_pkey PRIMARY KEY (subscription_name, global_position)
);
