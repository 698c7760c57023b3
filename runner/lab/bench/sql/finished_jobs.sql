-- The jobs that wait for their upload.
COPY (SELECT j.* FROM afe_jobs AS j WHERE j.shard_id IS NULL ORDER BY j.id) TO STDOUT
