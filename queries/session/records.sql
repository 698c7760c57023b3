-- What a packet says of finished jobs and their entries. Their columns become JSON in the client
-- (runner/shard/records.go), because that takes PostgreSQL three times as long: a record is all
-- columns from id on, as row_to_json writes them. It is what the views of the upload call a record
-- (schema/); a test compares. Each row is looked up by its key, as in acknowledge.sql, and sent as
-- it is found: only the entries of a job come in an order. version is the transaction that wrote it
-- last. Columns are named one by one, so that no beat fails for one that it does not send.

-- A field added here is sent. Relations never are, because the master would write the foreign keys
-- as they come.
-- name: RecordsOfJobs :many
SELECT
    j.id AS job_id, j.version, true AS complete, false AS taken,
    j.id, j.owner, j.name, j.priority::bigint, j.control_file, j.control_type::bigint,
    shard_client_wire_time(j.created_on) AS created_on,
    j.synch_count::bigint, j.timeout::bigint, j.timeout_mins::bigint, j.max_runtime_hrs::bigint, j.max_runtime_mins::bigint, j.run_verify, j.run_reset,
    j.email_list, j.reboot_before::bigint, j.reboot_after::bigint, j.parse_failed_repair, j.test_retry::bigint, j.require_ssp
FROM pg_catalog.unnest(@job_ids::bigint[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT
        o.xmin::xid AS version,
        o.id, o.owner, o.name, o.priority, o.control_file, o.control_type, o.created_on,
        o.synch_count, o.timeout, o.timeout_mins, o.max_runtime_hrs, o.max_runtime_mins, o.run_verify, o.run_reset,
        o.email_list, o.reboot_before, o.reboot_after, o.parse_failed_repair, o.test_retry, o.require_ssp
    FROM afe_jobs AS o
    WHERE o.id = s.id
    OFFSET 0
) AS j;

-- taken: the master has given the host's id to another host, so the entry goes without it. By
-- id + 0, because an index has all entries in the order of their ids: with statistics of an empty
-- table, the whole of it was read for each job.
-- name: RecordsOfEntries :many
SELECT
    e.job_id, e.version, e.complete,
    coalesce(e.host_id IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'host'), false) AS taken,
    e.id, e.status, e.active, e.complete, e.deleted, e.aborted, e.execution_subdir,
    shard_client_wire_time(e.started_on) AS started_on,
    shard_client_wire_time(e.finished_on) AS finished_on,
    e.host_id
FROM pg_catalog.unnest(@job_ids::bigint[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT
        o.xmin::xid AS version, o.job_id,
        o.id, o.status, o.active, o.complete, o.deleted, o.aborted, o.execution_subdir, o.started_on, o.finished_on,
        o.host_id
    FROM afe_host_queue_entries AS o
    WHERE o.job_id = s.id
    ORDER BY o.id + 0
    OFFSET 0
) AS e;
