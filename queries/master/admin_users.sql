-- Edits of the master's tables by people: users and ACL groups. Users are
-- written first in a transaction, in the order of their logins. Two transactions
-- therefore cannot wait for each other here.

-- Makes the missing users. A new user belongs to Everyone, like a user whom a
-- heartbeat makes.
-- name: AdminUserAdd :many
WITH made AS (
    INSERT INTO afe_users (login)
    SELECT DISTINCT s.login
    FROM unnest(@logins::text[]) AS s (login)
    WHERE NOT EXISTS (SELECT FROM afe_users AS u WHERE u.login = s.login)
    ORDER BY s.login
    ON CONFLICT (login) DO NOTHING
    RETURNING id, login
), joined AS (
    INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
    SELECT g.id, made.id
    FROM made
    CROSS JOIN afe_acl_groups AS g
    WHERE g.name = 'Everyone'
)
SELECT made.id, made.login
FROM made
ORDER BY made.login;

-- name: AdminUsersNamed :many
SELECT u.id, u.login
FROM afe_users AS u
WHERE u.login = ANY (@logins::text[])
ORDER BY u.login;

-- 100 is Autotest's access level of root: the user may change the status of any host.
-- name: AdminUserRaise :execrows
UPDATE afe_users
SET access_level = 100
WHERE id = ANY (@ids::bigint[]) AND access_level < 100;

-- name: AdminGroupAdd :execrows
INSERT INTO afe_acl_groups (name)
SELECT DISTINCT s.name
FROM unnest(@names::text[]) AS s (name)
WHERE NOT EXISTS (SELECT FROM afe_acl_groups AS g WHERE g.name = s.name)
ORDER BY s.name
ON CONFLICT (name) DO NOTHING;

-- name: AdminGroupsNamed :many
SELECT g.id, g.name
FROM afe_acl_groups AS g
WHERE g.name = ANY (@names::text[])
ORDER BY g.id
FOR KEY SHARE;

-- Every user belongs to Everyone, including those who were made before that group.
-- name: AdminEveryoneJoin :execrows
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT g.id, u.id
FROM afe_acl_groups AS g
CROSS JOIN afe_users AS u
WHERE g.name = 'Everyone'
ORDER BY u.id
ON CONFLICT (aclgroup_id, user_id) DO NOTHING;

-- name: AdminGroupJoin :execrows
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT s.group_id, s.user_id
FROM ROWS FROM (unnest(@group_ids::bigint[]), unnest(@user_ids::bigint[])) AS s (group_id, user_id)
ORDER BY s.user_id, s.group_id
ON CONFLICT (aclgroup_id, user_id) DO NOTHING;

-- name: AdminUserList :many
SELECT
    u.id, u.login, u.access_level,
    ARRAY(
        SELECT g.name
        FROM afe_acl_groups_users AS gu
        JOIN afe_acl_groups AS g ON g.id = gu.aclgroup_id
        WHERE gu.user_id = u.id
        ORDER BY g.name
    )::text[] AS groups
FROM afe_users AS u
ORDER BY u.login;
