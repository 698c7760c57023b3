-- The jobs that wait for their upload.
COPY (SELECT j.* FROM afe_jobs AS j WHERE j.shard_id IS NULL ORDER BY j.id) TO STDOUT;

-- The entries of the jobs that wait for their upload.
COPY (
    SELECT e.*
    FROM afe_jobs AS j
    JOIN afe_host_queue_entries AS e ON e.job_id = j.id
    WHERE j.shard_id IS NULL
    ORDER BY e.id
) TO STDOUT;
