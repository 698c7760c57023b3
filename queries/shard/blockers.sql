-- What another session has locked, for the message of a statement that has waited for it in vain.
-- PostgreSQL itself names neither the table nor the session.

-- The tables of ours that another session has locked against writes, and who that is.
-- name: LockedTables :many
SELECT
    l.relation::regclass::text AS locked_table,
    l.pid::integer AS backend_pid,
    coalesce(pg_catalog.min(a.application_name), '')::text AS application_name
FROM pg_catalog.pg_locks AS l
JOIN pg_catalog.pg_class AS c ON c.oid = l.relation
LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
WHERE l.locktype = 'relation'
    AND l.granted
    AND l.pid <> pg_catalog.pg_backend_pid()
    AND l.database = (SELECT d.oid FROM pg_catalog.pg_database AS d WHERE d.datname = pg_catalog.current_database())
    AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
    AND c.relkind = 'r'
    AND c.relnamespace = (SELECT o.relnamespace FROM pg_catalog.pg_class AS o WHERE o.oid = 'shard_client_owner'::regclass)
GROUP BY l.relation, l.pid
ORDER BY locked_table, backend_pid
LIMIT 3;

-- The shards whose rows another session keeps from being referred to. Each host and each job refers
-- to one, so this row can hold up everything.
-- name: LockedShards :many
SELECT x.id::bigint AS id
FROM shard_client_locked('afe_shards'::regclass, 'KEY SHARE', ARRAY(SELECT s.id FROM afe_shards AS s)) AS x (id)
ORDER BY x.id
LIMIT 3;
