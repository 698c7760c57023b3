-- What a packet says of finished jobs and their entries. Their columns become JSON in the client
-- (runner/shard/records.go), because that takes PostgreSQL three times as long: a record is all
-- columns from id on, as row_to_json writes them, but for times. It is what the views of the upload
-- call a record (schema/); a test compares. Rows are sent as they are found: the client puts the
-- entries of a job into their order. version is the transaction that wrote the row last. Columns
-- are named one by one, so that no beat fails for one that it does not send; numbers and times are
-- cast to what the client reads.

-- A field added here is sent. Relations never are, because the master would write the foreign keys
-- as they come.
-- name: RecordsOfJobs :many
SELECT
    j.id AS job_id, j.xmin::xid AS version, true AS complete, false AS taken,
    j.id, j.owner, j.name, j.priority::bigint, j.control_file, j.control_type::bigint, j.created_on::timestamp,
    j.synch_count::bigint, j.timeout::bigint, j.timeout_mins::bigint, j.max_runtime_hrs::bigint, j.max_runtime_mins::bigint, j.run_verify, j.run_reset,
    j.email_list, j.reboot_before::bigint, j.reboot_after::bigint, j.parse_failed_repair, j.test_retry::bigint, j.require_ssp
FROM afe_jobs AS j
WHERE j.id = ANY (@job_ids::bigint[]);

-- taken: the master has given the host's id to another host, so the entry goes without it.
-- name: RecordsOfEntries :many
SELECT
    e.job_id, e.xmin::xid AS version, e.complete,
    coalesce(e.host_id IN (SELECT t.object_id FROM shard_client_taken AS t WHERE t.kind = 'host'), false) AS taken,
    e.id, e.status, e.active, e.complete, e.deleted, e.aborted, e.execution_subdir, e.started_on::timestamp, e.finished_on::timestamp, e.host_id
FROM afe_host_queue_entries AS e
WHERE e.job_id = ANY (@job_ids::bigint[]);
