-- The shard's scheduler, one statement at a time, as docs/scheduler-contract.md
-- says: every statement commits by itself, and shard_id is set to NULL only by a
-- scheduler whose cached job object does not hold a NULL already.

-- name: SchedulerSetHostStatus :execrows
UPDATE afe_hosts
SET status = @status
WHERE id = @id;

-- An entry starts on its host.
-- name: SchedulerStartEntry :execrows
UPDATE afe_host_queue_entries
SET host_id = sqlc.narg('host_id')::bigint, execution_subdir = @execution_subdir, started_on = sqlc.narg('started_on')::timestamp
WHERE id = @id;

-- name: SchedulerSetEntryStatus :execrows
UPDATE afe_host_queue_entries
SET status = @status
WHERE id = @id;

-- name: SchedulerSetEntryActive :execrows
UPDATE afe_host_queue_entries
SET active = @active
WHERE id = @id;

-- name: SchedulerSetEntryFinished :execrows
UPDATE afe_host_queue_entries
SET finished_on = sqlc.narg('finished_on')::timestamp
WHERE id = @id;

-- name: SchedulerAskForUpload :execrows
UPDATE afe_jobs
SET shard_id = NULL
WHERE id = @job_id;

-- name: SchedulerCompleteEntry :execrows
UPDATE afe_host_queue_entries
SET complete = true
WHERE id = @id;
