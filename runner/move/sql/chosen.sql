SELECT id FROM afe_jobs WHERE shard_id IS NULL
UNION
SELECT job_id FROM afe_host_queue_entries WHERE complete = 0 OR complete IS NULL
UNION
SELECT job_id FROM afe_host_queue_entries GROUP BY job_id HAVING COUNT(*) > 1
