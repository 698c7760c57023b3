-- Uploads of a shard. Records reach the database as they were sent, and it takes
-- from each the fields that are in it.

-- Locks the jobs that are uploaded and those that may be sent. All heartbeats take
-- locks in the same order: jobs, entries, hosts, each by id.
-- name: JobLock :many
SELECT j.id, coalesce(j.shard_id, 0)::bigint AS shard_id, j.xmin::text AS version
FROM afe_jobs AS j
WHERE j.id = ANY (@ids::bigint[])
ORDER BY j.id
FOR NO KEY UPDATE;

-- name: EntryLock :many
SELECT e.id, e.job_id
FROM afe_host_queue_entries AS e
WHERE e.id = ANY (@ids::bigint[])
ORDER BY e.id
FOR NO KEY UPDATE;

-- Fields that are left out keep their value; a foreign key that is null is
-- cleared. If a job was sent twice, the later record counts.
-- name: JobStore :execrows
WITH sent AS (
    SELECT DISTINCT ON ((r.record ->> 'id')::bigint) (r.record ->> 'id')::bigint AS id, r.record
    FROM jsonb_array_elements(@records::jsonb) WITH ORDINALITY AS r (record, position)
    ORDER BY (r.record ->> 'id')::bigint, r.position DESC
)
UPDATE afe_jobs AS here
SET (
    owner, name, priority, control_file, control_type, created_on, synch_count, timeout, run_verify,
    email_list, reboot_before, reboot_after, parse_failed_repair, max_runtime_hrs, max_runtime_mins,
    drone_set_id, parameterized_job_id, parent_job_id, test_retry, run_reset, timeout_mins, shard_id,
    require_ssp
) = (
    SELECT
        n.owner, n.name, n.priority, n.control_file, n.control_type, n.created_on, n.synch_count, n.timeout, n.run_verify,
        n.email_list, n.reboot_before, n.reboot_after, n.parse_failed_repair, n.max_runtime_hrs, n.max_runtime_mins,
        n.drone_set_id, n.parameterized_job_id, n.parent_job_id, n.test_retry, n.run_reset, n.timeout_mins, n.shard_id,
        n.require_ssp
    FROM jsonb_populate_record(here, sent.record) AS n
)
FROM sent
WHERE here.id = sent.id;

-- active and complete are stored as they were sent, and keep their value where they were not,
-- whatever the status says: the original saves an upload without the code that derives them.
-- name: EntryStore :execrows
WITH sent AS (
    SELECT DISTINCT ON ((r.record ->> 'id')::bigint) (r.record ->> 'id')::bigint AS id, r.record
    FROM jsonb_array_elements(@records::jsonb) WITH ORDINALITY AS r (record, position)
    ORDER BY (r.record ->> 'id')::bigint, r.position DESC
)
UPDATE afe_host_queue_entries AS here
SET (
    job_id, host_id, status, active, complete, deleted, execution_subdir, atomic_group_id, aborted,
    started_on, finished_on
) = (
    SELECT
        n.job_id, n.host_id, n.status, n.active, n.complete, n.deleted, n.execution_subdir, n.atomic_group_id,
        n.aborted, n.started_on, n.finished_on
    FROM jsonb_populate_record(here, sent.record) AS n
)
FROM sent
WHERE here.id = sent.id;
