-- The ids that a packet says are known.
COPY (
    SELECT DISTINCT e.job_id
    FROM afe_host_queue_entries AS e
    WHERE NOT e.complete
    ORDER BY e.job_id
) TO STDOUT;
