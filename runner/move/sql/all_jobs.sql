SELECT id FROM afe_jobs
UNION
SELECT job_id FROM afe_host_queue_entries
