-- The views of the upload return each record as the text that is sent. So the rules of the wire
-- (docs/protocol.md, "Request arguments") are written once, for the packet and for what acknowledge
-- compares (P2). What a response names gets a staging table, too, and whether an entry is active or
-- complete is decided where it is stored.

-- +goose Up

DROP VIEW shard_client_upload_entries;
DROP VIEW shard_client_upload_jobs;

-- A time as the master reads it: whole seconds, or, if there is a fraction, exactly three digits of
-- it, truncated. Infinity and years that Python does not know become null: they would fail the
-- whole call.
CREATE FUNCTION shard_client_wire_time(t timestamp) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN t >= timestamp '0001-01-01' AND t < timestamp '10000-01-01' THEN to_char(
            t,
            CASE WHEN date_trunc('second', t) = t THEN 'YYYY-MM-DD"T"HH24:MI:SS' ELSE 'YYYY-MM-DD"T"HH24:MI:SS.MS' END
        )
    END
$$;

-- The original master answers 500 to a request with any character outside ASCII, escaped or not.
-- Comparing lengths takes a third of the time of the pattern, which is only for SQL_ASCII
-- databases: there, a character is a byte.
CREATE FUNCTION shard_client_is_ascii(t text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT octet_length(convert_to(t, 'UTF8')) = char_length(t)
        AND (getdatabaseencoding() <> 'SQL_ASCII' OR t !~ '[^\x01-\x7f]')
$$;

-- The fields of a record that hold only ASCII: a field that is left out keeps its value on the
-- master. A null is a value and is sent.
CREATE FUNCTION shard_client_ascii_fields(record text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT json_object_agg(f.key, f.value)::text
    FROM json_each(record::json) AS f
    WHERE shard_client_is_ascii(f.value::text)
$$;

-- Nearly every record is ASCII as a whole. The planner inlines this function into the query, so
-- that the one above is called for the others only.
CREATE FUNCTION shard_client_wire_record(record text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN shard_client_is_ascii(record) THEN record ELSE shard_client_ascii_fields(record) END
$$;

-- A field added here is sent and compared. Relations are never sent, because the master would write
-- the foreign keys as they come. The digest is of the whole record, including fields that are left
-- out. OFFSET 0 makes PostgreSQL build a record once, however often it is used. The casts are for
-- sqlc, which otherwise finds no types in a lateral subquery.
CREATE VIEW shard_client_upload_jobs AS
SELECT
    j.id,
    shard_client_wire_record(w.record) AS record,
    sha256(convert_to(w.record, 'UTF8')) AS digest
FROM afe_jobs AS j
CROSS JOIN LATERAL (
    SELECT
        j.id::bigint AS id,
        j.owner::text AS owner,
        j.name::text AS name,
        j.priority::integer AS priority,
        j.control_file::text AS control_file,
        j.control_type::integer AS control_type,
        shard_client_wire_time(j.created_on) AS created_on,
        j.synch_count::integer AS synch_count,
        j.timeout::integer AS timeout,
        j.timeout_mins::integer AS timeout_mins,
        j.max_runtime_hrs::integer AS max_runtime_hrs,
        j.max_runtime_mins::integer AS max_runtime_mins,
        j.run_verify::boolean AS run_verify,
        j.run_reset::boolean AS run_reset,
        j.email_list::text AS email_list,
        j.reboot_before::integer AS reboot_before,
        j.reboot_after::integer AS reboot_after,
        j.parse_failed_repair::boolean AS parse_failed_repair,
        j.test_retry::integer AS test_retry,
        j.require_ssp::boolean AS require_ssp
) AS r
CROSS JOIN LATERAL (SELECT row_to_json(r)::text AS record OFFSET 0) AS w;

-- The digest includes the job's id: an entry that moved to another job is not what was sent.
CREATE VIEW shard_client_upload_entries AS
SELECT
    e.id, e.job_id, e.complete,
    shard_client_wire_record(w.record) AS record,
    sha256(convert_to(e.job_id || w.record, 'UTF8')) AS digest
FROM afe_host_queue_entries AS e
CROSS JOIN LATERAL (
    SELECT
        e.id::bigint AS id,
        e.status::text AS status,
        e.active::boolean AS active,
        e.complete::boolean AS complete,
        e.deleted::boolean AS deleted,
        e.aborted::boolean AS aborted,
        e.execution_subdir::text AS execution_subdir,
        shard_client_wire_time(e.started_on) AS started_on,
        shard_client_wire_time(e.finished_on) AS finished_on,
        e.host_id::bigint AS host_id
) AS r
CROSS JOIN LATERAL (SELECT row_to_json(r)::text AS record OFFSET 0) AS w;

-- The parents that a response names, each once, until they are stored; then the table is empty
-- again. name is the natural key. old_id is the local row that had the name and gave way; its
-- memberships are copied.
CREATE UNLOGGED TABLE shard_client_staged_parents (
    kind   text   NOT NULL,
    id     bigint NOT NULL,
    name   text   NOT NULL,
    fields json   NOT NULL,
    old_id bigint
);

-- Without active and complete: these follow from the status when the entry is stored.
DROP TABLE shard_client_staged_entries;
CREATE UNLOGGED TABLE shard_client_staged_entries (
    id               bigint  NOT NULL,
    job_id           bigint  NOT NULL,
    host_id          bigint,
    status           text    NOT NULL,
    meta_host_sent   boolean NOT NULL,
    meta_host        bigint,
    deleted          boolean NOT NULL,
    execution_subdir text    NOT NULL,
    aborted          boolean,
    started_on       timestamp,
    finished_on      timestamp
);

-- +goose Down

DROP TABLE shard_client_staged_entries;
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

DROP TABLE shard_client_staged_parents;
DROP VIEW shard_client_upload_entries;
DROP VIEW shard_client_upload_jobs;
DROP FUNCTION shard_client_wire_record(text);
DROP FUNCTION shard_client_ascii_fields(text);
DROP FUNCTION shard_client_is_ascii(text);
DROP FUNCTION shard_client_wire_time(timestamp);

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
