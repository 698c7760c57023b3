-- The shards, labels, ACL groups and users that objects name, stored before these objects. Each has
-- the master's id and a natural key: its hostname, name or login. If an id has another name here,
-- it gets the master's name. If a name has another id here, the local row gives way: it is renamed
-- to `NAME (was id N)`, the master's row is stored beside it, and the memberships of valid hosts
-- and open jobs are copied (docs/promises.md, "foreign ids" and "unknown natural key"). The
-- response may also name the id that gave way: then the master has renamed it, and there is nothing
-- to copy. Nor is there for a shard or an ACL group whose id is here already: names have changed
-- places, perhaps over several responses, and what each id had is its own.

-- The parents that are not here as they were sent, and the groups of memberships that are not here.
-- is_new: nothing is in the way of storing it, neither its id nor its name nor a namesake that was
-- sent, too; and of a membership, neither the group nor the user was here before.
-- name: ParentsFind :many
SELECT
    s.kind::text AS kind, s.id::bigint AS id,
    (here.name IS NULL AND here.holder IS NULL AND s.namesakes = 1)::boolean AS is_new
FROM (
    SELECT p.kind, p.id, p.name, pg_catalog.count(*) OVER (PARTITION BY p.kind, p.name) AS namesakes
    FROM ROWS FROM (pg_catalog.unnest(@kinds::text[]), pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@names::text[])) AS p (kind, id, name)
) AS s
CROSS JOIN LATERAL (
    SELECT
        CASE s.kind
            WHEN 'shard' THEN (SELECT t.hostname FROM afe_shards AS t WHERE t.id = s.id)
            WHEN 'label' THEN (SELECT t.name FROM afe_labels AS t WHERE t.id = s.id)
            WHEN 'acl_group' THEN (SELECT t.name FROM afe_acl_groups AS t WHERE t.id = s.id)
            WHEN 'user' THEN (SELECT t.login FROM afe_users AS t WHERE t.id = s.id)
        END AS name,
        CASE s.kind
            WHEN 'shard' THEN (SELECT t.id FROM afe_shards AS t WHERE t.hostname = s.name)
            WHEN 'label' THEN (SELECT t.id FROM afe_labels AS t WHERE t.name = s.name)
            WHEN 'acl_group' THEN (SELECT t.id FROM afe_acl_groups AS t WHERE t.name = s.name)
            WHEN 'user' THEN (SELECT t.id FROM afe_users AS t WHERE t.login = s.name)
        END AS holder
    OFFSET 0
) AS here
WHERE here.name IS DISTINCT FROM s.name
UNION ALL
SELECT
    'member', m.aclgroup_id,
    (SELECT true FROM afe_acl_groups AS t WHERE t.id = m.aclgroup_id) IS NULL AND (SELECT true FROM afe_users AS t WHERE t.id = m.user_id) IS NULL
FROM ROWS FROM (pg_catalog.unnest(@aclgroup_ids::bigint[]), pg_catalog.unnest(@user_ids::bigint[])) AS m (aclgroup_id, user_id)
WHERE (
    SELECT true FROM afe_acl_groups_users AS same
    WHERE same.aclgroup_id = m.aclgroup_id AND same.user_id = m.user_id
) IS NULL;

-- Stores parents that are new, with their memberships. Returns the tables that did not take all
-- rows.
-- name: ParentsInsert :many
WITH sent AS MATERIALIZED (
    SELECT s.kind::text AS kind, s.id::bigint AS id, s.name::text AS name, s.fields::json AS fields
    FROM pg_catalog.json_to_recordset(@parents::json) AS s (kind text, id bigint, name text, fields json)
    ORDER BY s.id
),
shards AS (
    INSERT INTO afe_shards (id, hostname)
    SELECT s.id, s.name FROM sent AS s WHERE s.kind = 'shard'
    RETURNING id
),
labels AS (
    INSERT INTO afe_labels (id, name, kernel_config, platform, invalid, only_if_needed)
    SELECT s.id, s.name, f.kernel_config, f.platform, f.invalid, f.only_if_needed
    FROM sent AS s
    CROSS JOIN pg_catalog.json_to_record(s.fields)
        AS f (kernel_config text, platform boolean, invalid boolean, only_if_needed boolean)
    WHERE s.kind = 'label'
    RETURNING id
),
groups AS (
    INSERT INTO afe_acl_groups (id, name, description)
    SELECT s.id, s.name, s.fields ->> 'description' FROM sent AS s WHERE s.kind = 'acl_group'
    RETURNING id
),
users AS (
    INSERT INTO afe_users (id, login, access_level, reboot_before, reboot_after, show_experimental)
    SELECT s.id, s.name, f.access_level, f.reboot_before, f.reboot_after, f.show_experimental
    FROM sent AS s
    CROSS JOIN pg_catalog.json_to_record(s.fields)
        AS f (access_level integer, reboot_before integer, reboot_after integer, show_experimental boolean)
    WHERE s.kind = 'user'
    RETURNING id
),
membership AS (
    SELECT m.aclgroup_id, m.user_id
    FROM ROWS FROM (pg_catalog.unnest(@aclgroup_ids::bigint[]), pg_catalog.unnest(@user_ids::bigint[])) AS m (aclgroup_id, user_id)
    WHERE NOT EXISTS (
        SELECT FROM afe_acl_groups_users AS same
        WHERE same.aclgroup_id = m.aclgroup_id AND same.user_id = m.user_id
    )
),
members AS (
    INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
    SELECT m.aclgroup_id, m.user_id
    FROM membership AS m
    ORDER BY m.aclgroup_id, m.user_id
    RETURNING aclgroup_id
)
SELECT t.name::text AS of_table
FROM (
    VALUES
    ('afe_shards', (SELECT pg_catalog.count(*) FROM sent AS s WHERE s.kind = 'shard'), (SELECT pg_catalog.count(*) FROM shards)),
    ('afe_labels', (SELECT pg_catalog.count(*) FROM sent AS s WHERE s.kind = 'label'), (SELECT pg_catalog.count(*) FROM labels)),
    ('afe_acl_groups', (SELECT pg_catalog.count(*) FROM sent AS s WHERE s.kind = 'acl_group'), (SELECT pg_catalog.count(*) FROM groups)),
    ('afe_users', (SELECT pg_catalog.count(*) FROM sent AS s WHERE s.kind = 'user'), (SELECT pg_catalog.count(*) FROM users)),
    ('afe_acl_groups_users', (SELECT pg_catalog.count(*) FROM membership), (SELECT pg_catalog.count(*) FROM members))
) AS t (name, wanted, stored)
WHERE t.wanted <> t.stored;

-- Parents are few and are passed as JSON. Of two ids with one name, the higher id has the name: the
-- master made it after it had removed the other.
-- name: StageParents :execrows
INSERT INTO shard_client_staged_parents (kind, id, name, fields)
SELECT
    s.kind, s.id,
    CASE
        WHEN s.id < pg_catalog.max(s.id) OVER (PARTITION BY s.kind, s.name) THEN s.name || ' (was id ' || s.id::text || ')'
        ELSE s.name
    END,
    s.fields
FROM pg_catalog.json_to_recordset(@parents::json) AS s (kind text, id bigint, name text, fields json);

-- name: StagedParentsClear :execrows
DELETE FROM shard_client_staged_parents;

-- name: ShardGiveWay :execrows
WITH moved AS (
    UPDATE afe_shards AS here
    SET hostname = here.hostname || ' (was id ' || here.id::text || ')'
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'shard' AND here.hostname = s.name AND here.id <> s.id
    RETURNING here.id AS old_id, s.id AS new_id
)
UPDATE shard_client_staged_parents AS s
SET old_id = m.old_id
FROM moved AS m
WHERE s.kind = 'shard'
    AND s.id = m.new_id
    AND NOT EXISTS (
        SELECT FROM shard_client_staged_parents AS sent
        WHERE sent.kind = 'shard' AND sent.id = m.old_id
    )
    AND NOT EXISTS (SELECT FROM afe_shards AS known WHERE known.id = s.id);

-- Each of the four statements that store parents leaves out those that are here as they were sent.
-- ON CONFLICT DO UPDATE would lock them, as hard as FOR UPDATE, although its WHERE is false; and a
-- scheduler that refers to two of them in one transaction could end in a deadlock.
-- name: ShardStore :one
WITH wanted AS (
    SELECT s.id, s.name AS hostname
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'shard'
        AND NOT EXISTS (SELECT FROM afe_shards AS same WHERE same.id = s.id AND same.hostname = s.name)
),
stored AS (
    INSERT INTO afe_shards AS here (id, hostname)
    SELECT w.id, w.hostname
    FROM wanted AS w
    ORDER BY w.id
    ON CONFLICT (id) DO UPDATE
    SET hostname = excluded.hostname
    WHERE here.hostname <> excluded.hostname
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- name: ShardMoveHosts :execrows
UPDATE afe_hosts AS h
SET shard_id = s.id
FROM shard_client_staged_parents AS s
WHERE s.kind = 'shard' AND h.shard_id = s.old_id AND NOT h.invalid;

-- name: ShardMoveJobs :execrows
UPDATE afe_jobs AS j
SET shard_id = s.id
FROM shard_client_staged_parents AS s
WHERE s.kind = 'shard'
    AND j.shard_id = s.old_id
    AND j.id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete);

-- The master decides which boards a shard serves, but a shard may note it, too: one row a label.
-- name: ShardMoveLabels :execrows
UPDATE afe_shards_labels AS sl
SET shard_id = s.id
FROM shard_client_staged_parents AS s
WHERE s.kind = 'shard' AND sl.shard_id = s.old_id;

-- name: LabelGiveWay :execrows
WITH moved AS (
    UPDATE afe_labels AS here
    SET name = here.name || ' (was id ' || here.id::text || ')'
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'label' AND here.name = s.name AND here.id <> s.id
    RETURNING here.id AS old_id, s.id AS new_id
)
UPDATE shard_client_staged_parents AS s
SET old_id = m.old_id
FROM moved AS m
WHERE s.kind = 'label'
    AND s.id = m.new_id
    AND NOT EXISTS (
        SELECT FROM shard_client_staged_parents AS sent
        WHERE sent.kind = 'label' AND sent.id = m.old_id
    );

-- name: LabelStore :one
WITH wanted AS (
    SELECT s.id, s.name, s.fields
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'label'
        AND NOT EXISTS (SELECT FROM afe_labels AS same WHERE same.id = s.id AND same.name = s.name)
),
stored AS (
    INSERT INTO afe_labels AS here (id, name, kernel_config, platform, invalid, only_if_needed)
    SELECT w.id, w.name, f.kernel_config, f.platform, f.invalid, f.only_if_needed
    FROM wanted AS w
    CROSS JOIN pg_catalog.json_to_record(w.fields)
        AS f (kernel_config text, platform boolean, invalid boolean, only_if_needed boolean)
    ORDER BY w.id
    ON CONFLICT (id) DO UPDATE
    SET name = excluded.name
    WHERE here.name <> excluded.name
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- name: LabelCopyHosts :execrows
INSERT INTO afe_hosts_labels (host_id, label_id)
SELECT hl.host_id, s.id
FROM shard_client_staged_parents AS s
JOIN afe_hosts_labels AS hl ON hl.label_id = s.old_id
JOIN afe_hosts AS h ON h.id = hl.host_id AND NOT h.invalid
WHERE s.kind = 'label'
    AND NOT EXISTS (SELECT FROM afe_hosts_labels AS same WHERE same.host_id = hl.host_id AND same.label_id = s.id)
ORDER BY hl.host_id, s.id
ON CONFLICT (host_id, label_id) DO NOTHING;

-- name: LabelCopyJobs :execrows
INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
SELECT d.job_id, s.id
FROM shard_client_staged_parents AS s
JOIN afe_jobs_dependency_labels AS d ON d.label_id = s.old_id
WHERE s.kind = 'label'
    AND d.job_id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete)
    AND NOT EXISTS (SELECT FROM afe_jobs_dependency_labels AS same WHERE same.job_id = d.job_id AND same.label_id = s.id)
ORDER BY d.job_id, s.id
ON CONFLICT (job_id, label_id) DO NOTHING;

-- name: LabelCopyShards :execrows
INSERT INTO afe_shards_labels (shard_id, label_id)
SELECT sl.shard_id, s.id
FROM shard_client_staged_parents AS s
JOIN afe_shards_labels AS sl ON sl.label_id = s.old_id
WHERE s.kind = 'label'
    AND NOT EXISTS (SELECT FROM afe_shards_labels AS same WHERE same.label_id = s.id)
ORDER BY s.id
ON CONFLICT (label_id) DO NOTHING;

-- A group is known by its name, like a user. When an id takes over the name of another group,
-- leaves its own to one, or comes back under another name than the one that it gave away, the users
-- whom it had here do not get into the group of that name: it has those that the master sends.
-- Otherwise, under a name that is new here, it is the same group.
-- name: ACLGroupGiveWay :execrows
WITH revoked AS (
    DELETE FROM afe_acl_groups_users AS gu
    USING shard_client_staged_parents AS s, afe_acl_groups AS here
    WHERE gu.aclgroup_id = s.id
        AND s.kind = 'acl_group'
        AND here.id = s.id
        AND here.name <> s.name
        AND here.name <> s.name || ' (was id ' || s.id::text || ')'
        AND (
            EXISTS (SELECT FROM afe_acl_groups AS holder WHERE holder.name = s.name)
            OR EXISTS (
                SELECT FROM shard_client_staged_parents AS heir
                WHERE heir.kind = 'acl_group' AND heir.name = here.name
            )
            OR pg_catalog.right(here.name, pg_catalog.length(' (was id ' || s.id::text || ')')) = ' (was id ' || s.id::text || ')'
        )
),
moved AS (
    UPDATE afe_acl_groups AS here
    SET name = here.name || ' (was id ' || here.id::text || ')'
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'acl_group' AND here.name = s.name AND here.id <> s.id
    RETURNING here.id AS old_id, s.id AS new_id
)
UPDATE shard_client_staged_parents AS s
SET old_id = m.old_id
FROM moved AS m
WHERE s.kind = 'acl_group'
    AND s.id = m.new_id
    AND NOT EXISTS (
        SELECT FROM shard_client_staged_parents AS sent
        WHERE sent.kind = 'acl_group' AND sent.id = m.old_id
    )
    AND NOT EXISTS (SELECT FROM afe_acl_groups AS known WHERE known.id = s.id);

-- name: ACLGroupStore :one
WITH wanted AS (
    SELECT s.id, s.name, s.fields ->> 'description' AS description
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'acl_group'
        AND NOT EXISTS (SELECT FROM afe_acl_groups AS same WHERE same.id = s.id AND same.name = s.name)
),
stored AS (
    INSERT INTO afe_acl_groups AS here (id, name, description)
    SELECT w.id, w.name, w.description
    FROM wanted AS w
    ORDER BY w.id
    ON CONFLICT (id) DO UPDATE
    SET name = excluded.name
    WHERE here.name <> excluded.name
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- name: ACLGroupCopyHosts :execrows
INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id)
SELECT s.id, gh.host_id
FROM shard_client_staged_parents AS s
JOIN afe_acl_groups_hosts AS gh ON gh.aclgroup_id = s.old_id
JOIN afe_hosts AS h ON h.id = gh.host_id AND NOT h.invalid
WHERE s.kind = 'acl_group'
    AND NOT EXISTS (SELECT FROM afe_acl_groups_hosts AS same WHERE same.aclgroup_id = s.id AND same.host_id = gh.host_id)
ORDER BY s.id, gh.host_id
ON CONFLICT (aclgroup_id, host_id) DO NOTHING;

-- name: ACLGroupCopyUsers :execrows
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT s.id, gu.user_id
FROM shard_client_staged_parents AS s
JOIN afe_acl_groups_users AS gu ON gu.aclgroup_id = s.old_id
WHERE s.kind = 'acl_group'
    AND NOT EXISTS (SELECT FROM afe_acl_groups_users AS same WHERE same.aclgroup_id = s.id AND same.user_id = gu.user_id)
ORDER BY s.id, gu.user_id
ON CONFLICT (aclgroup_id, user_id) DO NOTHING;

-- Memberships follow the login, never the id: the master checks permissions by login, and an id may
-- come to mean another login. Returns the groups that a login has here under another id, so that
-- the id which the master gives it can have them; groups that another login had under this id do
-- not pass to it.
-- name: UserGiveWay :many
WITH sent AS (
    SELECT s.id, s.name FROM shard_client_staged_parents AS s WHERE s.kind = 'user'
),
revoked AS (
    DELETE FROM afe_acl_groups_users AS gu
    USING sent AS s, afe_users AS here
    WHERE gu.user_id = s.id AND here.id = s.id AND here.login <> s.name
),
renamed AS (
    UPDATE afe_users AS here
    SET login = here.login || ' (was id ' || here.id::text || ')'
    FROM sent AS s
    WHERE here.login = s.name AND here.id <> s.id
)
SELECT gu.aclgroup_id, s.id AS user_id
FROM sent AS s
JOIN afe_users AS here ON here.login = s.name AND here.id <> s.id
JOIN afe_acl_groups_users AS gu ON gu.user_id = here.id;

-- Another login is another user: the whole row is the master's, so that nobody inherits a level of
-- access.
-- name: UserStore :one
WITH wanted AS (
    SELECT s.id, s.name AS login, s.fields
    FROM shard_client_staged_parents AS s
    WHERE s.kind = 'user'
        AND NOT EXISTS (SELECT FROM afe_users AS same WHERE same.id = s.id AND same.login = s.name)
),
stored AS (
    INSERT INTO afe_users AS here (id, login, access_level, reboot_before, reboot_after, show_experimental)
    SELECT w.id, w.login, f.access_level, f.reboot_before, f.reboot_after, f.show_experimental
    FROM wanted AS w
    CROSS JOIN pg_catalog.json_to_record(w.fields)
        AS f (access_level integer, reboot_before integer, reboot_after integer, show_experimental boolean)
    ORDER BY w.id
    ON CONFLICT (id) DO UPDATE
    SET
        login = excluded.login, access_level = excluded.access_level, reboot_before = excluded.reboot_before,
        reboot_after = excluded.reboot_after, drone_set_id = NULL, show_experimental = excluded.show_experimental
    WHERE here.login <> excluded.login
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- name: ACLGroupAddUsers :one
WITH wanted AS (
    SELECT DISTINCT s.aclgroup_id, s.user_id
    FROM ROWS FROM (pg_catalog.unnest(@aclgroup_ids::bigint[]), pg_catalog.unnest(@user_ids::bigint[])) AS s (aclgroup_id, user_id)
    WHERE NOT EXISTS (
        SELECT FROM afe_acl_groups_users AS same
        WHERE same.aclgroup_id = s.aclgroup_id AND same.user_id = s.user_id
    )
),
stored AS (
    INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
    SELECT w.aclgroup_id, w.user_id
    FROM wanted AS w
    ORDER BY w.aclgroup_id, w.user_id
    ON CONFLICT (aclgroup_id, user_id) DO NOTHING
    RETURNING aclgroup_id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;
