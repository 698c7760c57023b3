-- The caller: the user whom the Authorization header names, and the shard. With nocase, names
-- compare as in MariaDB: neither case nor trailing spaces count.

-- Reports whether the user is known. To insert nobody takes much longer: triggers of the table run
-- for each statement.
-- name: UserKnown :one
SELECT EXISTS (
    SELECT FROM afe_users AS u
    WHERE u.login = @login::text OR (@nocase::boolean AND lower(rtrim(u.login)) = lower(rtrim(@login::text)))
) AS known;

-- Makes a user who calls for the first time. Such a user belongs to Everyone.
-- name: UserAdd :execrows
WITH made AS (
    INSERT INTO afe_users (login)
    SELECT @login::text
    WHERE NOT EXISTS (
        SELECT FROM afe_users AS u
        WHERE u.login = @login::text OR (@nocase::boolean AND lower(rtrim(u.login)) = lower(rtrim(@login::text)))
    )
    ON CONFLICT (login) DO NOTHING
    RETURNING id
)
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id)
SELECT g.id, made.id
FROM made
CROSS JOIN afe_acl_groups AS g
WHERE g.name = 'Everyone' OR (@nocase::boolean AND lower(rtrim(g.name)) = 'everyone');

-- Returns the shard with this name. Two can match where names compare without case.
-- name: ShardsNamed :many
SELECT s.id, s.hostname
FROM afe_shards AS s
WHERE s.hostname = @hostname::text
    OR (@nocase::boolean AND lower(rtrim(s.hostname)) = lower(rtrim(@hostname::text)))
ORDER BY s.id;

-- name: ShardWithID :many
SELECT s.id, s.hostname
FROM afe_shards AS s
WHERE s.id = @id::bigint;

-- name: ShardByHostname :one
SELECT id
FROM afe_shards
WHERE hostname = @hostname::text;

-- Reports whether the server takes writes. It is asked in a transaction that is read-only by
-- itself, so it asks about others.
-- name: ServerTakesWrites :one
SELECT (NOT pg_is_in_recovery() AND current_setting('default_transaction_read_only') = 'off')::boolean AS takes_writes;
