-- What the client keeps for itself. These times are the client's own and have a zone.

-- +goose Up

-- P7: one row. Whoever takes the advisory lock raises the epoch, and every write transaction first
-- reads its own epoch FOR SHARE, so a client that lost the lock finds no row and writes nothing
-- more. backend_pid is the server process that holds the advisory lock.
CREATE TABLE shard_client_owner (
    only_row    boolean     PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch       bigint      NOT NULL DEFAULT 0,
    who         text        NOT NULL DEFAULT '',
    since       timestamptz NOT NULL DEFAULT now(),
    backend_pid integer     NOT NULL DEFAULT 0
);

-- The upload ledger (P1): a row for each job that was uploaded while one of its entries was still
-- open. sent_complete are the entries that the master has acknowledged as complete; a complete
-- entry that is not among them is still to be sent, whatever shard_id says. unsure_since is set
-- before a packet with an open entry leaves, and a clear answer takes it away. Otherwise the master
-- may still store that packet over a newer one, until it must be dead.
CREATE TABLE shard_client_uploads (
    job_id        bigint      PRIMARY KEY REFERENCES afe_jobs (id) ON DELETE CASCADE,
    sent_complete bigint[]    NOT NULL DEFAULT '{}',
    unsure_since  timestamptz
);

-- Objects that could not be stored (direction in) or sent (out), one row for each direction, kind
-- and id; an object without an id is identified by its payload. The payload is bytea and may be
-- cut, so that nothing in it can break this table, too; payload_bytes is its whole length.
CREATE TABLE shard_client_quarantine (
    id             bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    direction      text        NOT NULL CHECK (direction IN ('in', 'out')),
    kind           text        NOT NULL,
    object_id      bigint,
    code           text        NOT NULL,
    reason         text        NOT NULL,
    payload        bytea       NOT NULL,
    payload_bytes  bigint      NOT NULL,
    payload_digest bytea       NOT NULL,
    occurrences    bigint      NOT NULL DEFAULT 1,
    first_seen     timestamptz NOT NULL DEFAULT now(),
    last_seen      timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX shard_client_quarantine_object
    ON shard_client_quarantine (direction, kind, object_id) WHERE object_id IS NOT NULL;
CREATE UNIQUE INDEX shard_client_quarantine_payload
    ON shard_client_quarantine (direction, kind, payload_digest) WHERE object_id IS NULL;
CREATE INDEX shard_client_quarantine_last_seen ON shard_client_quarantine (last_seen);

-- One row a beat. large_job_id is the job that went alone in this beat because it exceeds the
-- upload limit; large_waiting says that the beat left such a job waiting. Beats with and without a
-- large job take turns, also across restarts.
CREATE TABLE shard_client_heartbeats (
    id               bigint           GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at       timestamptz      NOT NULL,
    epoch            bigint           NOT NULL,
    protocol         text             NOT NULL,
    outcome          text             NOT NULL,
    failure          text             NOT NULL,
    error            text             NOT NULL,
    packed_ms        double precision NOT NULL,
    rpc_ms           double precision NOT NULL,
    ack_ms           double precision NOT NULL,
    apply_ms         double precision NOT NULL,
    known_jobs       bigint           NOT NULL,
    known_hosts      bigint           NOT NULL,
    uploaded_jobs    bigint           NOT NULL,
    uploaded_entries bigint           NOT NULL,
    received_hosts   bigint           NOT NULL,
    received_jobs    bigint           NOT NULL,
    received_keyvals bigint           NOT NULL,
    quarantined      bigint           NOT NULL,
    large_waiting    boolean          NOT NULL,
    large_job_id     bigint
);

-- P2: what a packet says about a job and its entries, and a digest of exactly that. Pack and
-- acknowledge both read these views, so the fields that are compared are the fields that are sent.
CREATE VIEW shard_client_upload_jobs AS
SELECT
    j.id, j.owner, j.name, j.priority, j.control_file, j.control_type, j.created_on,
    j.synch_count, j.timeout, j.run_verify, j.email_list, j.reboot_before, j.reboot_after,
    j.parse_failed_repair, j.max_runtime_hrs, j.max_runtime_mins, j.test_retry, j.run_reset,
    j.timeout_mins, j.require_ssp,
    sha256(convert_to(ROW(
        j.owner, j.name, j.priority, j.control_file, j.control_type, j.created_on,
        j.synch_count, j.timeout, j.run_verify, j.email_list, j.reboot_before, j.reboot_after,
        j.parse_failed_repair, j.max_runtime_hrs, j.max_runtime_mins, j.test_retry, j.run_reset,
        j.timeout_mins, j.require_ssp)::text, 'UTF8')) AS digest
FROM afe_jobs AS j;

CREATE VIEW shard_client_upload_entries AS
SELECT
    e.id, e.job_id, e.host_id, e.status, e.active, e.complete, e.deleted, e.execution_subdir,
    e.aborted, e.started_on, e.finished_on,
    sha256(convert_to(ROW(
        e.job_id, e.host_id, e.status, e.active, e.complete, e.deleted, e.execution_subdir,
        e.aborted, e.started_on, e.finished_on)::text, 'UTF8')) AS digest
FROM afe_host_queue_entries AS e;

-- COPY puts a chunk of received objects here before it is merged: that is the fastest typed way for
-- rows with NULLs (docs/decisions/0001-copy-into-staging-tables-and-merge.md). Each chunk fills,
-- merges and empties these tables in one transaction, so nothing ever stays. A NULL in a column
-- that has none in the real table means: not sent.
CREATE UNLOGGED TABLE shard_client_staged_hosts (
    id          bigint  NOT NULL,
    hostname    text    NOT NULL,
    locked      boolean NOT NULL,
    leased      boolean NOT NULL,
    synch_id    bigint,
    status      text    NOT NULL,
    invalid     boolean,
    protection  integer NOT NULL,
    lock_time   timestamp,
    dirty       boolean NOT NULL,
    lock_reason text,
    shard_sent  boolean NOT NULL,
    shard_id    bigint
);

CREATE UNLOGGED TABLE shard_client_staged_jobs (
    id                  bigint    NOT NULL,
    owner               text      NOT NULL,
    name                text      NOT NULL,
    priority            integer   NOT NULL,
    control_file        text,
    control_type        integer   NOT NULL,
    created_on          timestamp NOT NULL,
    synch_count         integer   NOT NULL,
    timeout             integer   NOT NULL,
    run_verify          boolean   NOT NULL,
    email_list          text      NOT NULL,
    reboot_before       integer   NOT NULL,
    reboot_after        integer   NOT NULL,
    parse_failed_repair boolean   NOT NULL,
    max_runtime_hrs     integer   NOT NULL,
    max_runtime_mins    integer   NOT NULL,
    test_retry          integer   NOT NULL,
    run_reset           boolean   NOT NULL,
    timeout_mins        integer   NOT NULL,
    require_ssp         boolean,
    shard_sent          boolean   NOT NULL,
    shard_id            bigint
);

CREATE UNLOGGED TABLE shard_client_staged_entries (
    id               bigint  NOT NULL,
    job_id           bigint  NOT NULL,
    host_id          bigint,
    status           text    NOT NULL,
    meta_host_sent   boolean NOT NULL,
    meta_host        bigint,
    active           boolean NOT NULL,
    complete         boolean NOT NULL,
    deleted          boolean NOT NULL,
    execution_subdir text    NOT NULL,
    aborted          boolean,
    started_on       timestamp,
    finished_on      timestamp
);

-- +goose Down

DROP TABLE shard_client_staged_entries;
DROP TABLE shard_client_staged_jobs;
DROP TABLE shard_client_staged_hosts;
DROP VIEW shard_client_upload_entries;
DROP VIEW shard_client_upload_jobs;
DROP TABLE shard_client_heartbeats;
DROP TABLE shard_client_quarantine;
DROP TABLE shard_client_uploads;
DROP TABLE shard_client_owner;
