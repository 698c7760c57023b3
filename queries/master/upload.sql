-- Uploads of a shard. Each column comes as an array. Where a bit of skipped is set, the record has
-- no value for that column; the column keeps its own, or is cleared if the bit is set in nulls,
-- too. truths holds the bits of the boolean columns that are true: to take an array apart costs as
-- much as to write its column.
--
-- The arrays are unnested side by side in a list of columns. As ROWS FROM, PostgreSQL would put
-- each into a store of its own first.

-- Locks the jobs that are uploaded and those that may be sent. All heartbeats take
-- locks in the same order: jobs, entries, hosts, each by id.
-- name: JobLock :many
SELECT j.id, coalesce(j.shard_id, 0)::bigint AS shard_id, j.xmin::text AS version
FROM afe_jobs AS j
WHERE j.id = ANY (@ids::bigint[])
ORDER BY j.id
FOR NO KEY UPDATE;

-- name: EntryLock :many
SELECT e.id, e.job_id, e.complete
FROM afe_host_queue_entries AS e
WHERE e.id = ANY (@ids::bigint[])
ORDER BY e.id
FOR NO KEY UPDATE;

-- Stores jobs of the shard and of nobody: whoever has not looked before sees from the number of
-- rows whether all were.
-- name: JobStore :execrows
UPDATE afe_jobs AS here
SET
    owner = CASE WHEN s.skipped & 1 = 0 THEN s.owner WHEN s.nulls & 1 = 0 THEN here.owner END,
    name = CASE WHEN s.skipped & 2 = 0 THEN s.name WHEN s.nulls & 2 = 0 THEN here.name END,
    priority = CASE WHEN s.skipped & 4 = 0 THEN s.priority::integer WHEN s.nulls & 4 = 0 THEN here.priority END,
    control_file = CASE WHEN s.skipped & 8 = 0 THEN s.control_file WHEN s.nulls & 8 = 0 THEN here.control_file END,
    control_type = CASE WHEN s.skipped & 16 = 0 THEN s.control_type::integer WHEN s.nulls & 16 = 0 THEN here.control_type END,
    created_on = CASE WHEN s.skipped & 32 = 0 THEN s.created_on WHEN s.nulls & 32 = 0 THEN here.created_on END,
    synch_count = CASE WHEN s.skipped & 64 = 0 THEN s.synch_count::integer WHEN s.nulls & 64 = 0 THEN here.synch_count END,
    timeout = CASE WHEN s.skipped & 128 = 0 THEN s.timeout::integer WHEN s.nulls & 128 = 0 THEN here.timeout END,
    run_verify = CASE WHEN s.skipped & 256 = 0 THEN s.truths & 256 <> 0 WHEN s.nulls & 256 = 0 THEN here.run_verify END,
    email_list = CASE WHEN s.skipped & 512 = 0 THEN s.email_list WHEN s.nulls & 512 = 0 THEN here.email_list END,
    reboot_before = CASE WHEN s.skipped & 1024 = 0 THEN s.reboot_before::integer WHEN s.nulls & 1024 = 0 THEN here.reboot_before END,
    reboot_after = CASE WHEN s.skipped & 2048 = 0 THEN s.reboot_after::integer WHEN s.nulls & 2048 = 0 THEN here.reboot_after END,
    parse_failed_repair = CASE WHEN s.skipped & 4096 = 0 THEN s.truths & 4096 <> 0 WHEN s.nulls & 4096 = 0 THEN here.parse_failed_repair END,
    max_runtime_hrs = CASE WHEN s.skipped & 8192 = 0 THEN s.max_runtime_hrs::integer WHEN s.nulls & 8192 = 0 THEN here.max_runtime_hrs END,
    max_runtime_mins = CASE WHEN s.skipped & 16384 = 0 THEN s.max_runtime_mins::integer WHEN s.nulls & 16384 = 0 THEN here.max_runtime_mins END,
    drone_set_id = CASE WHEN s.skipped & 32768 = 0 THEN s.drone_set_id WHEN s.nulls & 32768 = 0 THEN here.drone_set_id END,
    parameterized_job_id = CASE WHEN s.skipped & 65536 = 0 THEN s.parameterized_job_id WHEN s.nulls & 65536 = 0 THEN here.parameterized_job_id END,
    parent_job_id = CASE WHEN s.skipped & 131072 = 0 THEN s.parent_job_id WHEN s.nulls & 131072 = 0 THEN here.parent_job_id END,
    test_retry = CASE WHEN s.skipped & 262144 = 0 THEN s.test_retry::integer WHEN s.nulls & 262144 = 0 THEN here.test_retry END,
    run_reset = CASE WHEN s.skipped & 524288 = 0 THEN s.truths & 524288 <> 0 WHEN s.nulls & 524288 = 0 THEN here.run_reset END,
    timeout_mins = CASE WHEN s.skipped & 1048576 = 0 THEN s.timeout_mins::integer WHEN s.nulls & 1048576 = 0 THEN here.timeout_mins END,
    shard_id = CASE WHEN s.skipped & 2097152 = 0 THEN s.shard_id WHEN s.nulls & 2097152 = 0 THEN here.shard_id END,
    require_ssp = CASE WHEN s.skipped & 4194304 = 0 THEN s.truths & 4194304 <> 0 WHEN s.nulls & 4194304 = 0 THEN here.require_ssp END
FROM (
    SELECT
        unnest(@ids::bigint[]) AS id,
        unnest(@skipped::bigint[]) AS skipped,
        unnest(@nulls::bigint[]) AS nulls,
        unnest(@truths::bigint[]) AS truths,
        unnest(@owners::text[]) AS owner,
        unnest(@names::text[]) AS name,
        unnest(@priorities::bigint[]) AS priority,
        unnest(@control_files::text[]) AS control_file,
        unnest(@control_types::bigint[]) AS control_type,
        unnest(@created_on::timestamp[]) AS created_on,
        unnest(@synch_counts::bigint[]) AS synch_count,
        unnest(@timeouts::bigint[]) AS timeout,
        unnest(@email_lists::text[]) AS email_list,
        unnest(@reboot_before::bigint[]) AS reboot_before,
        unnest(@reboot_after::bigint[]) AS reboot_after,
        unnest(@max_runtime_hrs::bigint[]) AS max_runtime_hrs,
        unnest(@max_runtime_mins::bigint[]) AS max_runtime_mins,
        unnest(@drone_set_ids::bigint[]) AS drone_set_id,
        unnest(@parameterized_job_ids::bigint[]) AS parameterized_job_id,
        unnest(@parent_job_ids::bigint[]) AS parent_job_id,
        unnest(@test_retries::bigint[]) AS test_retry,
        unnest(@timeout_mins::bigint[]) AS timeout_mins,
        unnest(@shard_ids::bigint[]) AS shard_id
) AS s
WHERE here.id = s.id AND coalesce(here.shard_id, @shard_id::bigint) = @shard_id::bigint;

-- active and complete are stored as they were sent, and keep their value where they were not,
-- whatever the status says: the original saves an upload without the code that derives them.
-- Returns the job of each row that was stored, which are those that were not complete if only open
-- ones are wanted.
-- name: EntryStore :many
UPDATE afe_host_queue_entries AS here
SET
    job_id = CASE WHEN s.skipped & 1 = 0 THEN s.job_id WHEN s.nulls & 1 = 0 THEN here.job_id END,
    host_id = CASE WHEN s.skipped & 2 = 0 THEN s.host_id WHEN s.nulls & 2 = 0 THEN here.host_id END,
    status = CASE WHEN s.skipped & 4 = 0 THEN s.status WHEN s.nulls & 4 = 0 THEN here.status END,
    active = CASE WHEN s.skipped & 8 = 0 THEN s.truths & 8 <> 0 WHEN s.nulls & 8 = 0 THEN here.active END,
    complete = CASE WHEN s.skipped & 16 = 0 THEN s.truths & 16 <> 0 WHEN s.nulls & 16 = 0 THEN here.complete END,
    deleted = CASE WHEN s.skipped & 32 = 0 THEN s.truths & 32 <> 0 WHEN s.nulls & 32 = 0 THEN here.deleted END,
    execution_subdir = CASE WHEN s.skipped & 64 = 0 THEN s.execution_subdir WHEN s.nulls & 64 = 0 THEN here.execution_subdir END,
    atomic_group_id = CASE WHEN s.skipped & 128 = 0 THEN s.atomic_group_id WHEN s.nulls & 128 = 0 THEN here.atomic_group_id END,
    aborted = CASE WHEN s.skipped & 256 = 0 THEN s.truths & 256 <> 0 WHEN s.nulls & 256 = 0 THEN here.aborted END,
    started_on = CASE WHEN s.skipped & 512 = 0 THEN s.started_on WHEN s.nulls & 512 = 0 THEN here.started_on END,
    finished_on = CASE WHEN s.skipped & 1024 = 0 THEN s.finished_on WHEN s.nulls & 1024 = 0 THEN here.finished_on END
FROM (
    SELECT
        unnest(@ids::bigint[]) AS id,
        unnest(@skipped::bigint[]) AS skipped,
        unnest(@nulls::bigint[]) AS nulls,
        unnest(@truths::bigint[]) AS truths,
        unnest(@job_ids::bigint[]) AS job_id,
        unnest(@host_ids::bigint[]) AS host_id,
        unnest(@statuses::text[]) AS status,
        unnest(@execution_subdirs::text[]) AS execution_subdir,
        unnest(@atomic_group_ids::bigint[]) AS atomic_group_id,
        unnest(@started_on::timestamp[]) AS started_on,
        unnest(@finished_on::timestamp[]) AS finished_on
) AS s
WHERE here.id = s.id AND NOT (@only_open::boolean AND here.complete)
RETURNING here.job_id;
