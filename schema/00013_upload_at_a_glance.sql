-- What the views of the upload say of a record beside its text, so that pack need not make a digest
-- of each and acknowledge need not read again what nobody has written: version is the transaction
-- that wrote the row last, and left_out whether the record lacks a field of the row that it is made
-- of. Only then is its digest not that of its text
-- (docs/decisions/0057-unchanged-rows-are-not-read-twice.md). The subquery within a subquery has a
-- record made once; two side by side were remembered (Memoize) by the record as the key.

-- +goose Up

DROP VIEW shard_client_upload_versions;

CREATE OR REPLACE VIEW shard_client_upload_jobs AS
SELECT
    j.id,
    w.record,
    sha256(convert_to(w.whole, 'UTF8')) AS digest,
    w.record <> w.whole AS left_out,
    j.xmin::text::bigint AS version
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
CROSS JOIN LATERAL (
    SELECT o.record AS whole, shard_client_wire_record(o.record) AS record
    FROM (SELECT row_to_json(r)::text AS record OFFSET 0) AS o
    OFFSET 0
) AS w;

CREATE OR REPLACE VIEW shard_client_upload_entries AS
SELECT
    e.id, e.job_id, e.complete,
    w.record,
    sha256(convert_to(e.job_id || w.whole, 'UTF8')) AS digest,
    w.record <> w.whole AS left_out,
    e.xmin::text::bigint AS version
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
CROSS JOIN LATERAL (
    SELECT o.record AS whole, shard_client_wire_record(k.record) AS record
    FROM (SELECT row_to_json(r)::text AS record OFFSET 0) AS o
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN e.host_id IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'host')
                THEN (o.record::jsonb - 'host_id')::text
            ELSE o.record
        END AS record
        OFFSET 0
    ) AS k
    OFFSET 0
) AS w;

-- +goose Down

DROP VIEW shard_client_upload_entries;
CREATE VIEW shard_client_upload_entries AS
SELECT
    e.id, e.job_id, e.complete,
    shard_client_wire_record(s.record) AS record,
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
CROSS JOIN LATERAL (SELECT row_to_json(r)::text AS record OFFSET 0) AS w
CROSS JOIN LATERAL (
    SELECT CASE
        WHEN e.host_id IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'host')
            THEN (w.record::jsonb - 'host_id')::text
        ELSE w.record
    END AS record
    OFFSET 0
) AS s;

DROP VIEW shard_client_upload_jobs;
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

CREATE VIEW shard_client_upload_versions AS
SELECT j.id, e.entries, (j.xmin::text || e.versions)::text AS version
FROM afe_jobs AS j
CROSS JOIN LATERAL (
    SELECT
        count(*)::integer AS entries,
        coalesce(string_agg((' ' || e.id::text || ':' || e.xmin::text), '' ORDER BY e.id), '') AS versions
    FROM afe_host_queue_entries AS e
    WHERE e.job_id = j.id
) AS e;
