-- What a real scheduler writes into its own tables (schema/scheduler) around the statements of
-- scheduler.sql. Each one commits by itself, and each may be run again by a scheduler that goes on
-- where another was killed.

-- Keeps the job from getting the host a second time.
-- name: SchedulerBlockHost :execrows
INSERT INTO afe_ineligible_host_queues (job_id, host_id)
VALUES (@job_id::bigint, @host_id::bigint)
ON CONFLICT (host_id, job_id) DO NOTHING;

-- Takes back the blocks of a job of which no entry is open any more, as the scheduler's cleaning
-- does.
-- name: SchedulerUnblockHosts :execrows
DELETE FROM afe_ineligible_host_queues AS b
WHERE b.job_id = @job_id::bigint
    AND NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = b.job_id AND NOT e.complete);

-- The task that makes the host ready for the entry, asked for in the name of the job's owner.
-- name: SchedulerAskForTask :execrows
INSERT INTO afe_special_tasks (host_id, task, requested_by_id, time_requested, queue_entry_id)
SELECT @host_id::bigint, @task::text, u.id, @time_requested::timestamp, @entry_id::bigint
FROM afe_users AS u
WHERE u.login = @owner::text
    AND NOT EXISTS (SELECT FROM afe_special_tasks AS t WHERE t.queue_entry_id = @entry_id::bigint AND NOT t.is_complete);

-- name: SchedulerStartTask :execrows
UPDATE afe_special_tasks
SET is_active = true, time_started = @time_started::timestamp
WHERE queue_entry_id = @entry_id::bigint AND NOT is_complete AND NOT is_active;

-- name: SchedulerFinishTask :execrows
UPDATE afe_special_tasks
SET is_active = false, is_complete = true, success = @success::boolean, time_finished = @time_finished::timestamp
WHERE queue_entry_id = @entry_id::bigint AND NOT is_complete;

-- name: SchedulerHandOff :execrows
INSERT INTO afe_job_handoffs (job_id, created)
VALUES (@job_id::bigint, @created::timestamp)
ON CONFLICT (job_id) DO NOTHING;

-- name: LuciferEndHandOff :execrows
UPDATE afe_job_handoffs AS o
SET completed = true
WHERE o.job_id = @job_id::bigint
    AND NOT o.completed
    AND NOT EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = o.job_id AND NOT e.complete);
