SELECT a.* FROM afe_aborted_host_queue_entries AS a
JOIN afe_host_queue_entries AS e ON e.id = a.queue_entry_id
WHERE e.job_id IN ({ids})
