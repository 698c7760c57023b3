-- Edits of the master's tables by people: hosts. A host that is removed keeps
-- its row, marked as invalid, because finished entries refer to it. When it is added
-- again it gets that row back, with the status that its shard last reported.

-- name: AdminHostRestore :many
WITH locked AS (
    SELECT h.id, s.leased
    FROM afe_hosts AS h
    JOIN ROWS FROM (unnest(@hostnames::text[]), unnest(@leases::boolean[])) AS s (hostname, leased)
        ON s.hostname = h.hostname
    WHERE h.invalid
    ORDER BY h.id
    FOR NO KEY UPDATE OF h
)
UPDATE afe_hosts AS here
SET invalid = false, leased = locked.leased, locked = false, locked_by_id = NULL, lock_time = NULL, lock_reason = '',
    synch_id = NULL, protection = 0, dirty = true, shard_id = NULL
FROM locked
WHERE here.id = locked.id
RETURNING here.id, here.hostname;

-- A host that is leased is not sent to a shard.
-- name: AdminHostAdd :many
INSERT INTO afe_hosts (hostname, leased)
SELECT s.hostname, s.leased
FROM ROWS FROM (unnest(@hostnames::text[]), unnest(@leases::boolean[])) AS s (hostname, leased)
WHERE NOT EXISTS (SELECT FROM afe_hosts AS h WHERE h.hostname = s.hostname)
ORDER BY s.hostname
ON CONFLICT (hostname) DO NOTHING
RETURNING id, hostname;

-- name: AdminHostsNamed :many
SELECT h.id, h.hostname
FROM afe_hosts AS h
WHERE h.hostname = ANY (@hostnames::text[]) AND NOT h.invalid
ORDER BY h.id;

-- Returns the hosts that new jobs name. The lock keeps a host from being removed
-- before the new entries are visible to the removal, which aborts them. shard is the
-- shard of the host's labels: a host that no heartbeat has taken yet has no other.
-- name: AdminHostsForJobs :many
SELECT
    h.id, h.hostname,
    coalesce((
        SELECT min(s.hostname)
        FROM afe_hosts_labels AS hl
        JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
        JOIN afe_shards AS s ON s.id = sl.shard_id
        WHERE hl.host_id = h.id
    ), '')::text AS shard
FROM afe_hosts AS h
WHERE h.hostname = ANY (@hostnames::text[]) AND NOT h.invalid
ORDER BY h.id
FOR KEY SHARE OF h;

-- name: AdminHostLock :many
SELECT
    h.id, h.hostname, h.locked, coalesce(u.login, '')::text AS locked_by, h.lock_time,
    coalesce(h.lock_reason, '')::text AS lock_reason, coalesce(s.hostname, '')::text AS shard
FROM afe_hosts AS h
LEFT JOIN afe_users AS u ON u.id = h.locked_by_id
LEFT JOIN afe_shards AS s ON s.id = h.shard_id
WHERE h.hostname = ANY (@hostnames::text[]) AND NOT h.invalid
ORDER BY h.id
FOR NO KEY UPDATE OF h;

-- name: AdminHostLockLabelled :many
SELECT h.id
FROM afe_hosts AS h
WHERE h.id IN (SELECT hl.host_id FROM afe_hosts_labels AS hl WHERE hl.label_id = ANY (@label_ids::bigint[]))
ORDER BY h.id
FOR NO KEY UPDATE;

-- The lock is stronger than that of an update: it makes a transaction wait that
-- creates a job for the host.
-- name: AdminHostLockToRemove :many
SELECT h.id, h.hostname
FROM afe_hosts AS h
WHERE h.hostname = ANY (@hostnames::text[]) AND NOT h.invalid
ORDER BY h.id
FOR UPDATE;

-- name: AdminHostLabelAdd :many
INSERT INTO afe_hosts_labels (host_id, label_id)
SELECT s.host_id, s.label_id
FROM ROWS FROM (unnest(@host_ids::bigint[]), unnest(@label_ids::bigint[])) AS s (host_id, label_id)
ORDER BY s.host_id, s.label_id
ON CONFLICT (host_id, label_id) DO NOTHING
RETURNING host_id;

-- name: AdminHostLabelRemove :many
DELETE FROM afe_hosts_labels
WHERE host_id = ANY (@host_ids::bigint[]) AND label_id = @label_id::bigint
RETURNING host_id;

-- name: AdminHostBoardRemove :many
DELETE FROM afe_hosts_labels AS hl
USING afe_labels AS l
WHERE l.id = hl.label_id
    AND hl.host_id = ANY (@host_ids::bigint[])
    AND l.id <> @except_label_id::bigint
    AND l.name LIKE 'board:%'
RETURNING hl.host_id;

-- name: AdminHostGroupAdd :execrows
INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id)
SELECT s.host_id, s.group_id
FROM ROWS FROM (unnest(@host_ids::bigint[]), unnest(@group_ids::bigint[])) AS s (host_id, group_id)
ORDER BY s.host_id, s.group_id
ON CONFLICT (aclgroup_id, host_id) DO NOTHING;

-- name: AdminHostAttributeAdd :execrows
INSERT INTO afe_host_attributes (host_id, attribute, value)
SELECT s.host_id, s.attribute, s.value
FROM ROWS FROM (unnest(@host_ids::bigint[]), unnest(@attributes::text[]), unnest(@values::text[])) AS s (host_id, attribute, value)
ORDER BY s.host_id, s.attribute;

-- Takes the shard from hosts that no longer have any label of it. The answer to the
-- shard's next heartbeat says that these hosts are not its own.
-- name: AdminHostRelease :many
UPDATE afe_hosts AS here
SET shard_id = NULL
WHERE here.id = ANY (@ids::bigint[])
    AND here.shard_id IS NOT NULL
    AND NOT EXISTS (
        SELECT FROM afe_hosts_labels AS hl
        JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
        WHERE hl.host_id = here.id AND sl.shard_id = here.shard_id
    )
RETURNING here.id;

-- Finds a host with labels of two shards, which would take it from each other with
-- every heartbeat.
-- name: AdminHostsTorn :many
SELECT h.hostname, min(s.hostname)::text AS first_shard, max(s.hostname)::text AS last_shard
FROM afe_hosts AS h
JOIN afe_hosts_labels AS hl ON hl.host_id = h.id
JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
JOIN afe_shards AS s ON s.id = sl.shard_id
WHERE h.id = ANY (@host_ids::bigint[])
    OR h.id IN (SELECT o.host_id FROM afe_hosts_labels AS o WHERE o.label_id = ANY (@label_ids::bigint[]))
GROUP BY h.id
HAVING count(DISTINCT sl.shard_id) > 1
ORDER BY h.hostname
LIMIT 1;

-- name: AdminHostSetLock :execrows
UPDATE afe_hosts
SET locked = true, locked_by_id = @locked_by_id::bigint, lock_time = @lock_time::timestamp,
    lock_reason = @lock_reason::text, dirty = true
WHERE id = ANY (@ids::bigint[]);

-- The reason of the old lock stays, as in an AFE.
-- name: AdminHostUnlock :execrows
UPDATE afe_hosts
SET locked = false, locked_by_id = NULL, lock_time = NULL
WHERE id = ANY (@ids::bigint[]);

-- name: AdminHostSetLeased :many
UPDATE afe_hosts
SET leased = @leased::boolean
WHERE id = ANY (@ids::bigint[]) AND leased <> @leased::boolean
RETURNING id;

-- Removing the host's shard makes the master report the host to that shard as
-- incorrect. It does not report a host that is merely invalid.
-- name: AdminHostRemove :execrows
WITH no_labels AS (
    DELETE FROM afe_hosts_labels WHERE host_id = ANY (@ids::bigint[])
), no_groups AS (
    DELETE FROM afe_acl_groups_hosts WHERE host_id = ANY (@ids::bigint[])
), no_attributes AS (
    DELETE FROM afe_host_attributes WHERE host_id = ANY (@ids::bigint[])
)
UPDATE afe_hosts
SET invalid = true, shard_id = NULL
WHERE id = ANY (@ids::bigint[]);

-- name: AdminHostList :many
SELECT
    h.id, h.hostname, h.status, h.leased, h.locked, coalesce(u.login, '')::text AS locked_by, h.lock_time,
    coalesce(h.lock_reason, '')::text AS lock_reason, coalesce(s.hostname, '')::text AS shard,
    ARRAY(
        SELECT l.name
        FROM afe_hosts_labels AS hl
        JOIN afe_labels AS l ON l.id = hl.label_id
        WHERE hl.host_id = h.id
        ORDER BY l.name
    )::text[] AS labels,
    ARRAY(
        SELECT g.name
        FROM afe_acl_groups_hosts AS gh
        JOIN afe_acl_groups AS g ON g.id = gh.aclgroup_id
        WHERE gh.host_id = h.id
        ORDER BY g.name
    )::text[] AS groups,
    (
        SELECT coalesce(json_object_agg(a.attribute, a.value ORDER BY a.attribute), '{}')
        FROM afe_host_attributes AS a
        WHERE a.host_id = h.id
    )::text AS attributes
FROM afe_hosts AS h
LEFT JOIN afe_users AS u ON u.id = h.locked_by_id
LEFT JOIN afe_shards AS s ON s.id = h.shard_id
WHERE NOT h.invalid
ORDER BY h.hostname;
