-- The statuses of the hosts that a shard knows.

-- Compares the hosts that the shard knows with those here: whether one does not exist or has
-- another status, and which belong to another shard or to none. As a rule no status differs, and
-- then there is nothing to check, lock or store.
-- name: HostsKnown :one
SELECT
    coalesce(bool_or(h.id IS NULL OR h.status <> s.status), false)::boolean AS differ,
    coalesce(
        array_agg(DISTINCT h.id ORDER BY h.id) FILTER (WHERE h.shard_id IS DISTINCT FROM @shard_id::bigint AND h.id IS NOT NULL),
        '{}'
    )::bigint[] AS incorrect
FROM ROWS FROM (unnest(@ids::bigint[]), unnest(@statuses::text[])) AS s (id, status)
LEFT JOIN afe_hosts AS h ON h.id = s.id;

-- Returns the first host in the packet that does not exist, or whose status would
-- change although the user may not change it. Without such a host it returns no row.
-- name: HostStatusRefused :many
SELECT s.id::bigint AS id, coalesce(h.hostname, '')::text AS hostname, (h.id IS NOT NULL)::boolean AS known
FROM ROWS FROM (unnest(@ids::bigint[]), unnest(@statuses::text[])) WITH ORDINALITY AS s (id, status, position)
LEFT JOIN afe_hosts AS h ON h.id = s.id
WHERE h.id IS NULL
    OR (
        h.status <> s.status
        AND NOT h.invalid
        AND NOT EXISTS (
            SELECT FROM afe_users AS u
            WHERE u.access_level >= 100
                AND (
                    u.login = @login::text
                    OR (@nocase::boolean AND lower(rtrim(u.login)) = lower(rtrim(@login::text)))
                )
        )
        AND NOT EXISTS (
            SELECT FROM afe_acl_groups_hosts AS gh
            JOIN afe_acl_groups_users AS gu ON gu.aclgroup_id = gh.aclgroup_id
            JOIN afe_users AS u ON u.id = gu.user_id
            WHERE gh.host_id = h.id
                AND (
                    u.login = @login::text
                    OR (@nocase::boolean AND lower(rtrim(u.login)) = lower(rtrim(@login::text)))
                )
        )
    )
ORDER BY s.position
LIMIT 1;

-- Locks the hosts whose status differs and those that may be sent, in id order.
-- name: HostLock :many
SELECT h.id, h.xmin::text AS version
FROM afe_hosts AS h
WHERE h.id IN (
    SELECT c.id
    FROM unnest(@candidate_ids::bigint[]) AS c (id)
    UNION ALL
    SELECT s.id
    FROM ROWS FROM (unnest(@ids::bigint[]), unnest(@statuses::text[])) AS s (id, status)
    JOIN afe_hosts AS k ON k.id = s.id
    WHERE k.status <> s.status
)
ORDER BY h.id
FOR NO KEY UPDATE OF h;

-- name: HostSetStatus :execrows
WITH sent AS (
    SELECT DISTINCT ON (s.id) s.id, s.status
    FROM ROWS FROM (unnest(@ids::bigint[]), unnest(@statuses::text[])) WITH ORDINALITY AS s (id, status, position)
    ORDER BY s.id, s.position DESC
)
UPDATE afe_hosts AS here
SET status = sent.status
FROM sent
WHERE here.id = sent.id AND here.status <> sent.status;
