-- Signs of two databases that serve as one shard.

-- Returns which of the jobs and hosts that a shard knew, and does not know now, are still its own
-- and not done with: jobs with an entry that is not complete, and valid hosts.
-- name: ForgottenByShard :one
SELECT
    ARRAY(
        SELECT j.id
        FROM afe_jobs AS j
        WHERE j.id = ANY (@job_ids::bigint[])
            AND j.shard_id = @shard_id::bigint
            AND EXISTS (SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND NOT e.complete)
        ORDER BY j.id
    )::bigint[] AS jobs,
    ARRAY(
        SELECT h.id
        FROM afe_hosts AS h
        WHERE h.id = ANY (@host_ids::bigint[]) AND h.shard_id = @shard_id::bigint AND NOT h.invalid
        ORDER BY h.id
    )::bigint[] AS hosts;

-- Returns the uploaded entries that are complete here with another end. An entry that has ended
-- does not change any more, so the same shard uploads it as it was.
-- name: EntriesWithOtherEnds :many
SELECT here.id
FROM jsonb_array_elements(@records::jsonb) AS r (record)
JOIN afe_host_queue_entries AS here ON here.id = (r.record ->> 'id')::bigint
CROSS JOIN LATERAL jsonb_populate_record(here, r.record) AS n
WHERE here.complete
    AND n.complete
    AND (n.status, n.started_on, n.finished_on, n.host_id)
        IS DISTINCT FROM (here.status, here.started_on, here.finished_on, here.host_id)
ORDER BY here.id;
