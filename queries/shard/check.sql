-- What `check` asks of a server and its tables. Nothing here writes.

-- Bounds the statements of one transaction: a question must not make a busy server busier.
-- name: CheckLimit :exec
SELECT pg_catalog.set_config('statement_timeout', @limit_ms::text, true);

-- name: CheckServer :one
SELECT
    pg_catalog.current_setting('server_version_num')::integer AS version_num,
    pg_catalog.split_part(pg_catalog.current_setting('server_version'), ' ', 1)::text AS version,
    pg_catalog.current_database()::text AS database,
    current_user::text AS role,
    pg_catalog.current_setting('server_encoding')::text AS encoding,
    pg_catalog.pg_is_in_recovery()::boolean AS standby,
    pg_catalog.pg_backend_pid()::integer AS backend_pid;

-- name: CheckClock :one
SELECT pg_catalog.clock_timestamp()::timestamptz AS now;

-- The settings of this session.
-- name: CheckSettings :many
SELECT s.name, s.setting
FROM pg_catalog.pg_settings AS s
WHERE s.name = ANY (@names::text[]);

-- What the migrations have made, a line each, and whether it still does what it is for. A
-- constraint is whole when it was proven for all rows and none of its own triggers is off; an index
-- when it is in use. Not-null constraints are part of their columns: since PostgreSQL 18 they are
-- also listed by themselves. What a site has added to a table of which columns are known is of a
-- kind: rules, policies that apply to this role, columns that every new row must fill, and what
-- may refuse one.
-- name: CheckObjects :many
WITH home AS (
    SELECT c.oid, c.relname::text AS name, c.relkind, n.nspname::text AS schema
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relnamespace = (SELECT o.relnamespace FROM pg_catalog.pg_class AS o WHERE o.oid = 'shard_client_owner'::regclass)
        AND c.relkind IN ('r', 'v', 'p') AND NOT c.relispartition
        AND (c.relname LIKE 'afe\_%' OR c.relname LIKE 'shard\_client\_%')
)
SELECT
    o.object::text AS object,
    o.whole::boolean AS whole,
    CASE WHEN o.object <> ALL (@known::text[]) AND EXISTS (
        SELECT FROM pg_catalog.unnest(@known::text[]) AS k (object)
        WHERE pg_catalog.starts_with(k.object, pg_catalog.concat('column ', o.place, '.'))
    ) THEN o.kind ELSE '' END::text AS added
FROM (
    SELECT
        pg_catalog.concat(
            'column ', h.name, '.', a.attname, ' ', pg_catalog.format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN ' not null' END,
            CASE a.attidentity WHEN 'd' THEN ' identity by default' WHEN 'a' THEN ' identity always' END
        ) AS object,
        true AS whole,
        CASE WHEN a.attnotnull AND NOT a.atthasdef AND a.attidentity = '' AND h.relkind <> 'v' THEN 'required' ELSE 'column' END AS kind,
        h.name AS place
    FROM home AS h
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = h.oid AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT
        pg_catalog.concat('constraint ', h.name, ' ', pg_catalog.replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID', '')),
        k.convalidated AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS t WHERE t.tgconstraint = k.oid AND t.tgenabled = 'D'
        ),
        'may refuse', h.name
    FROM home AS h
    JOIN pg_catalog.pg_constraint AS k ON k.conrelid = h.oid AND k.contype IN ('p', 'u', 'f', 'c', 'x')
    UNION ALL
    SELECT
        pg_catalog.concat('index ', pg_catalog.replace(
            pg_catalog.replace(pg_catalog.pg_get_indexdef(i.indexrelid), ' ON ONLY ', ' ON '), -- of a partitioned table
            ' ON ' || pg_catalog.quote_ident(h.schema)::text || '.', ' ON ')),
        i.indisvalid AND i.indisready, CASE WHEN i.indisunique THEN 'may refuse' ELSE 'index' END, h.name
    FROM home AS h
    JOIN pg_catalog.pg_index AS i ON i.indrelid = h.oid
    WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT pg_catalog.concat('trigger ', h.name, ' ', t.tgname), t.tgenabled IN ('O', 'A'), 'may refuse', h.name
    FROM home AS h
    JOIN pg_catalog.pg_trigger AS t ON t.tgrelid = h.oid AND NOT t.tgisinternal
    UNION ALL
    SELECT pg_catalog.concat('rule ', h.name, ' ', r.rulename), true, 'rule', h.name
    FROM home AS h
    JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = h.oid AND r.rulename <> '_RETURN'
    UNION ALL
    SELECT pg_catalog.concat('policy ', h.name), true, 'policy', h.name
    FROM home AS h
    WHERE h.relkind <> 'v' AND pg_catalog.row_security_active(h.oid)
    UNION ALL
    SELECT pg_catalog.concat('function ', p.proname, '(', pg_catalog.pg_get_function_identity_arguments(p.oid), ')'), true, 'function', ''
    FROM pg_catalog.pg_proc AS p
    WHERE p.pronamespace = (SELECT c.relnamespace FROM pg_catalog.pg_class AS c WHERE c.oid = 'shard_client_owner'::regclass)
        AND p.proname LIKE 'shard\_client\_%'
) AS o
ORDER BY o.object;

-- Those of the rights that this role lacks, in the order of the list. What is no table, column or
-- function here is missing for another reason, and not listed.
-- name: CheckRights :many
SELECT r.privilege::text AS privilege, r.columns::text AS columns, r.object::text AS object
FROM (
    SELECT w.place, w.privilege, w.object, pg_catalog.string_agg(w.name, ', ' ORDER BY w.place) AS columns
    FROM ROWS FROM (
        pg_catalog.json_to_recordset(@rights::json) AS (privilege text, name text, object text, place integer)
    ) AS w (privilege, name, object, place)
    WHERE NOT CASE
        WHEN w.privilege = 'EXECUTE' THEN coalesce(pg_catalog.has_function_privilege(pg_catalog.to_regprocedure(w.object)::oid, w.privilege), true)
        WHEN pg_catalog.to_regclass(w.object) IS NULL THEN true
        WHEN w.name = '' THEN pg_catalog.has_table_privilege(pg_catalog.to_regclass(w.object)::oid, w.privilege)
        WHEN NOT EXISTS (
            SELECT FROM pg_catalog.pg_attribute AS a
            WHERE a.attrelid = pg_catalog.to_regclass(w.object)::oid AND a.attname::text = w.name AND NOT a.attisdropped
        ) THEN true
        ELSE pg_catalog.has_column_privilege(pg_catalog.to_regclass(w.object)::oid, w.name, w.privilege)
    END
    GROUP BY w.place, w.privilege, w.object
) AS r
ORDER BY r.place;

-- The transactions of others that are open for longer than this, the oldest first. Of the
-- sessions of other users this role sees no times, unless it may read pg_stat_activity whole
-- (pg_read_all_stats).
-- name: CheckTransactions :many
SELECT
    a.pid::integer AS backend_pid,
    coalesce(a.application_name, '')::text AS application_name,
    coalesce(a.usename, '')::text AS role,
    coalesce(a.state, '')::text AS state,
    extract(epoch FROM pg_catalog.now() - a.xact_start)::double precision AS seconds
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
    AND a.backend_type = 'client backend'
    AND a.pid <> pg_catalog.pg_backend_pid()
    AND a.xact_start < pg_catalog.now() - pg_catalog.make_interval(secs => @seconds::double precision)
ORDER BY a.xact_start
LIMIT 10;

-- How many sessions of others are in a transaction whose times this role may not see. Each holds
-- the lock of its virtual id.
-- name: CheckHiddenTransactions :one
SELECT pg_catalog.count(*)::bigint AS sessions
FROM pg_catalog.pg_stat_activity AS a
WHERE a.datname = pg_catalog.current_database()
    AND a.backend_type IS NULL
    AND a.usesysid IS NOT NULL
    AND EXISTS (SELECT FROM pg_catalog.pg_locks AS l WHERE l.pid = a.pid AND l.locktype = 'virtualxid' AND l.granted);

-- How many queued entries a scheduler of Autotest passes over: it takes an entry whose meta host is
-- a label in afe_shards_labels for one of a shard's, as on the master, where alone that table has
-- rows (docs/scheduler-contract.md).
-- name: CheckSkippedEntries :one
SELECT pg_catalog.count(*)::bigint AS entries
FROM afe_host_queue_entries AS e
WHERE NOT e.complete
    AND NOT e.active
    AND NOT e.aborted
    AND e.status = 'Queued'
    AND e.meta_host IN (SELECT l.label_id FROM afe_shards_labels AS l);
