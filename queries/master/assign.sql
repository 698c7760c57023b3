-- Which hosts and jobs go to a shard: docs/protocol.md, "What the master does
-- otherwise".

-- Has a label of the shard, not leased, not known; whosever it is now.
-- name: HostsToSend :many
SELECT h.id, coalesce(h.shard_id, 0)::bigint AS shard_id
FROM afe_hosts AS h
WHERE NOT h.leased
    AND EXISTS (
        SELECT FROM afe_hosts_labels AS hl
        JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
        WHERE hl.host_id = h.id AND sl.shard_id = @shard_id::bigint
    )
    AND NOT EXISTS (SELECT FROM unnest(@known_host_ids::bigint[]) AS k (id) WHERE k.id = h.id)
ORDER BY h.id;

-- Depends on a label of the shard, or (2019) an entry's meta host is one, or an
-- entry without a meta host has a host that carries one. No entry complete, none
-- active. Not known, or known with every entry aborted. It starts from entries
-- that are not complete, which an index holds, so finished jobs cost nothing.
-- name: JobsToSend :many
SELECT j.id, coalesce(j.shard_id, 0)::bigint AS shard_id
FROM afe_jobs AS j
WHERE j.id IN (
        SELECT e.job_id
        FROM afe_host_queue_entries AS e
        WHERE NOT e.complete
            AND NOT e.active
            AND (
                EXISTS (
                    SELECT FROM afe_jobs_dependency_labels AS d
                    JOIN afe_shards_labels AS sl ON sl.label_id = d.label_id
                    WHERE d.job_id = e.job_id AND sl.shard_id = @shard_id::bigint
                )
                OR @meta_hosts::boolean AND EXISTS (
                    SELECT FROM afe_shards_labels AS sl
                    WHERE sl.label_id = e.meta_host AND sl.shard_id = @shard_id::bigint
                )
                OR e.meta_host IS NULL AND EXISTS (
                    SELECT FROM afe_hosts_labels AS hl
                    JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
                    WHERE hl.host_id = e.host_id AND sl.shard_id = @shard_id::bigint
                )
            )
    )
    AND NOT EXISTS (
        SELECT FROM afe_host_queue_entries AS e
        WHERE e.job_id = j.id AND (e.complete OR e.active)
    )
    AND (
        NOT EXISTS (SELECT FROM unnest(@known_job_ids::bigint[]) AS k (id) WHERE k.id = j.id)
        OR NOT EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.job_id = j.id AND NOT e.aborted
        )
    )
ORDER BY j.id;

-- name: HostAssign :execrows
UPDATE afe_hosts
SET shard_id = @shard_id::bigint
WHERE id = ANY (@ids::bigint[]) AND shard_id IS DISTINCT FROM @shard_id::bigint;

-- name: JobAssign :execrows
UPDATE afe_jobs
SET shard_id = @shard_id::bigint
WHERE id = ANY (@ids::bigint[]) AND shard_id IS DISTINCT FROM @shard_id::bigint;

-- Known to the shard, but another's or nobody's.
-- name: HostsIncorrect :many
SELECT h.id
FROM afe_hosts AS h
WHERE h.id = ANY (@known_host_ids::bigint[])
    AND h.shard_id IS DISTINCT FROM @shard_id::bigint
ORDER BY h.id;
