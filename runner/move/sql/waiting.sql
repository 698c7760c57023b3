SELECT j.id FROM afe_jobs AS j
WHERE j.shard_id IS NULL AND EXISTS (SELECT 1 FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND e.complete <> 0)
ORDER BY j.id
