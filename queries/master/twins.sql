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
-- does not change any more, so the same shard uploads it as it was. The arrays are those of
-- EntryStore.
-- name: EntriesWithOtherEnds :many
SELECT here.id
FROM (
    SELECT
        unnest(@ids::bigint[]) AS id,
        unnest(@skipped::bigint[]) AS skipped,
        unnest(@nulls::bigint[]) AS nulls,
        unnest(@truths::bigint[]) AS truths,
        unnest(@host_ids::bigint[]) AS host_id,
        unnest(@statuses::text[]) AS status,
        unnest(@started_on::timestamp[]) AS started_on,
        unnest(@finished_on::timestamp[]) AS finished_on
) AS s
JOIN afe_host_queue_entries AS here ON here.id = s.id
CROSS JOIN LATERAL (
    SELECT
        CASE WHEN s.skipped & 2 = 0 THEN s.host_id WHEN s.nulls & 2 = 0 THEN here.host_id END AS host_id,
        CASE WHEN s.skipped & 4 = 0 THEN s.status WHEN s.nulls & 4 = 0 THEN here.status END AS status,
        CASE WHEN s.skipped & 16 = 0 THEN s.truths & 16 <> 0 WHEN s.nulls & 16 = 0 THEN here.complete END AS complete,
        CASE WHEN s.skipped & 512 = 0 THEN s.started_on WHEN s.nulls & 512 = 0 THEN here.started_on END AS started_on,
        CASE WHEN s.skipped & 1024 = 0 THEN s.finished_on WHEN s.nulls & 1024 = 0 THEN here.finished_on END AS finished_on
) AS n
WHERE here.complete
    AND n.complete
    AND (n.status, n.started_on, n.finished_on, n.host_id)
        IS DISTINCT FROM (here.status, here.started_on, here.finished_on, here.host_id)
ORDER BY here.id;
