-- Shards, labels, ACL groups and users named by the objects of a chunk, stored
-- before them. Each has the master's id and a natural key. Same id, other name:
-- the master's name. Same name, other id: the local row gives way under the name
-- `NAME (was id N)`, the master's row is stored beside it, and memberships of
-- valid hosts and open jobs are copied (docs/decisions.md, 2015 and fault 3b).
-- The id that gave way may itself be named by the response: then the master
-- renamed it, and there is nothing to copy. Parents are few and travel as JSON.

-- name: ShardGiveWay :many
UPDATE afe_shards AS here
SET hostname = here.hostname || ' (was id ' || here.id || ')'
FROM json_to_recordset(@shards::json) AS s (id bigint, hostname text)
WHERE here.hostname = s.hostname AND here.id <> s.id
RETURNING here.id AS old_id, s.id::bigint AS new_id;

-- name: ShardStore :execrows
INSERT INTO afe_shards AS here (id, hostname)
SELECT s.id, s.hostname
FROM json_to_recordset(@shards::json) AS s (id bigint, hostname text)
ORDER BY s.id
ON CONFLICT (id) DO UPDATE
SET hostname = excluded.hostname
WHERE here.hostname <> excluded.hostname;

-- name: ShardMoveHosts :execrows
UPDATE afe_hosts AS h
SET shard_id = m.new_id
FROM ROWS FROM (unnest(@old_ids::bigint[]), unnest(@new_ids::bigint[])) AS m (old_id, new_id)
WHERE h.shard_id = m.old_id AND NOT h.invalid;

-- name: ShardMoveJobs :execrows
UPDATE afe_jobs AS j
SET shard_id = m.new_id
FROM ROWS FROM (unnest(@old_ids::bigint[]), unnest(@new_ids::bigint[])) AS m (old_id, new_id)
WHERE j.shard_id = m.old_id
    AND j.id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete);

-- name: LabelGiveWay :many
UPDATE afe_labels AS here
SET name = here.name || ' (was id ' || here.id || ')'
FROM json_to_recordset(@labels::json) AS s (id bigint, name text)
WHERE here.name = s.name AND here.id <> s.id
RETURNING here.id AS old_id, s.id::bigint AS new_id;

-- name: LabelStore :execrows
INSERT INTO afe_labels AS here (id, name, kernel_config, platform, invalid, only_if_needed)
SELECT s.id, s.name, s.kernel_config, s.platform, s.invalid, s.only_if_needed
FROM json_to_recordset(@labels::json)
    AS s (id bigint, name text, kernel_config text, platform boolean, invalid boolean, only_if_needed boolean)
ORDER BY s.id
ON CONFLICT (id) DO UPDATE
SET name = excluded.name
WHERE here.name <> excluded.name;

-- name: LabelCopyHosts :execrows
INSERT INTO afe_hosts_labels (host_id, label_id)
SELECT hl.host_id, m.new_id
FROM ROWS FROM (unnest(@old_ids::bigint[]), unnest(@new_ids::bigint[])) AS m (old_id, new_id)
JOIN afe_hosts_labels AS hl ON hl.label_id = m.old_id
JOIN afe_hosts AS h ON h.id = hl.host_id AND NOT h.invalid
ORDER BY hl.host_id, m.new_id
ON CONFLICT (host_id, label_id) DO NOTHING;

-- name: LabelCopyJobs :execrows
INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
SELECT d.job_id, m.new_id
FROM ROWS FROM (unnest(@old_ids::bigint[]), unnest(@new_ids::bigint[])) AS m (old_id, new_id)
JOIN afe_jobs_dependency_labels AS d ON d.label_id = m.old_id
WHERE d.job_id IN (SELECT e.job_id FROM afe_host_queue_entries AS e WHERE NOT e.complete)
ORDER BY d.job_id, m.new_id
ON CONFLICT (job_id, label_id) DO NOTHING;

-- name: ACLGroupGiveWay :many
UPDATE afe_acl_groups AS here
SET name = here.name || ' (was id ' || here.id || ')'
FROM json_to_recordset(@groups::json) AS s (id bigint, name text)
WHERE here.name = s.name AND here.id <> s.id
RETURNING here.id AS old_id, s.id::bigint AS new_id;

-- name: ACLGroupStore :execrows
INSERT INTO afe_acl_groups AS here (id, name, description)
SELECT s.id, s.name, s.description
FROM json_to_recordset(@groups::json) AS s (id bigint, name text, description text)
ORDER BY s.id
ON CONFLICT (id) DO UPDATE
SET name = excluded.name
WHERE here.name <> excluded.name;

-- name: ACLGroupCopyHosts :execrows
INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id)
SELECT m.new_id, gh.host_id
FROM ROWS FROM (unnest(@old_ids::bigint[]), unnest(@new_ids::bigint[])) AS m (old_id, new_id)
JOIN afe_acl_groups_hosts AS gh ON gh.aclgroup_id = m.old_id
JOIN afe_hosts AS h ON h.id = gh.host_id AND NOT h.invalid
ORDER BY m.new_id, gh.host_id
ON CONFLICT (aclgroup_id, host_id) DO NOTHING;

-- name: ACLGroupCopyUsers :execrows
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT m.new_id, gu.user_id
FROM ROWS FROM (unnest(@old_ids::bigint[]), unnest(@new_ids::bigint[])) AS m (old_id, new_id)
JOIN afe_acl_groups_users AS gu ON gu.aclgroup_id = m.old_id
ORDER BY m.new_id, gu.user_id
ON CONFLICT (aclgroup_id, user_id) DO NOTHING;

-- Memberships follow the login, never the id: what a login holds here under
-- another id is returned, to be granted to the id that the master gives it ...
-- name: UserMembershipsByLogin :many
SELECT gu.aclgroup_id, s.id::bigint AS user_id
FROM json_to_recordset(@users::json) AS s (id bigint, login text)
JOIN afe_users AS here ON here.login = s.login AND here.id <> s.id
JOIN afe_acl_groups_users AS gu ON gu.user_id = here.id;

-- ... and what another login held under this id does not pass to it.
-- name: UserRevokeOtherLogins :execrows
DELETE FROM afe_acl_groups_users AS gu
USING
    json_to_recordset(@users::json) AS s (id bigint, login text),
    afe_users AS here
WHERE gu.user_id = s.id AND here.id = s.id AND here.login <> s.login;

-- name: UserGiveWay :execrows
UPDATE afe_users AS here
SET login = here.login || ' (was id ' || here.id || ')'
FROM json_to_recordset(@users::json) AS s (id bigint, login text)
WHERE here.login = s.login AND here.id <> s.id;

-- name: UserStore :execrows
INSERT INTO afe_users AS here (id, login, access_level, reboot_before, reboot_after, show_experimental)
SELECT s.id, s.login, s.access_level, s.reboot_before, s.reboot_after, s.show_experimental
FROM json_to_recordset(@users::json) AS s (
    id bigint, login text, access_level integer, reboot_before integer, reboot_after integer, show_experimental boolean
)
ORDER BY s.id
ON CONFLICT (id) DO UPDATE
SET login = excluded.login
WHERE here.login <> excluded.login;

-- name: ACLGroupAddUsers :execrows
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT DISTINCT s.aclgroup_id, s.user_id
FROM ROWS FROM (unnest(@aclgroup_ids::bigint[]), unnest(@user_ids::bigint[])) AS s (aclgroup_id, user_id)
ORDER BY s.aclgroup_id, s.user_id
ON CONFLICT (aclgroup_id, user_id) DO NOTHING;
