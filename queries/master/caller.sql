-- The caller: the user whom the Authorization header names, and the shard.

-- Makes a user who calls for the first time. Such a user belongs to Everyone.
-- name: UserAdd :execrows
WITH made AS (
    INSERT INTO afe_users (login)
    SELECT @login::text
    WHERE NOT EXISTS (SELECT FROM afe_users AS u WHERE u.login = @login::text)
    ON CONFLICT (login) DO NOTHING
    RETURNING id
)
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT g.id, made.id
FROM made
CROSS JOIN afe_acl_groups AS g
WHERE g.name = 'Everyone';

-- name: ShardByHostname :one
SELECT id
FROM afe_shards
WHERE hostname = @hostname::text;
