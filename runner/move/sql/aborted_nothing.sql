SELECT * FROM afe_aborted_host_queue_entries AS a
WHERE NOT EXISTS (SELECT 1 FROM afe_host_queue_entries AS e WHERE e.id = a.queue_entry_id AND e.job_id IS NOT NULL)
