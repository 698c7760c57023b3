-- What the bench copies, fills, counts and compares.

-- The floor: the rows of an answer by COPY, in the order of the foreign keys. Where the client leaves
-- the id to the table, so does the floor.

-- name: BenchShards :copyfrom
INSERT INTO afe_shards (id, hostname) VALUES (@id, @hostname);

-- name: BenchLabels :copyfrom
INSERT INTO afe_labels (id, name, kernel_config, platform, invalid, only_if_needed)
VALUES (@id, @name, @kernel_config, @platform, @invalid, @only_if_needed);

-- name: BenchUsers :copyfrom
INSERT INTO afe_users (id, login, access_level, reboot_before, reboot_after, show_experimental)
VALUES (@id, @login, @access_level, @reboot_before, @reboot_after, @show_experimental);

-- name: BenchACLGroups :copyfrom
INSERT INTO afe_acl_groups (id, name, description) VALUES (@id, @name, @description);

-- name: BenchACLGroupUsers :copyfrom
INSERT INTO afe_acl_groups_users (aclgroup_id, user_id) VALUES (@aclgroup_id, @user_id);

-- name: BenchHosts :copyfrom
INSERT INTO afe_hosts (
    id, hostname, locked, leased, status, invalid, protection, lock_time, dirty, lock_reason, shard_id
) VALUES (
    @id, @hostname, @locked, @leased, @status, @invalid, @protection, @lock_time, @dirty, @lock_reason, @shard_id
);

-- name: BenchACLGroupHosts :copyfrom
INSERT INTO afe_acl_groups_hosts (aclgroup_id, host_id) VALUES (@aclgroup_id, @host_id);

-- name: BenchHostLabels :copyfrom
INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (@host_id, @label_id);

-- name: BenchHostAttributes :copyfrom
INSERT INTO afe_host_attributes (host_id, attribute, value) VALUES (@host_id, @attribute, @value);

-- name: BenchJobs :copyfrom
INSERT INTO afe_jobs (
    id, owner, name, priority, control_file, control_type, created_on, synch_count, timeout,
    run_verify, email_list, reboot_before, reboot_after, parse_failed_repair, max_runtime_hrs,
    max_runtime_mins, test_retry, run_reset, timeout_mins, shard_id, require_ssp
) VALUES (
    @id, @owner, @name, @priority, @control_file, @control_type, @created_on, @synch_count, @timeout,
    @run_verify, @email_list, @reboot_before, @reboot_after, @parse_failed_repair, @max_runtime_hrs,
    @max_runtime_mins, @test_retry, @run_reset, @timeout_mins, @shard_id, @require_ssp
);

-- name: BenchDependencyLabels :copyfrom
INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (@job_id, @label_id);

-- name: BenchKeyvals :copyfrom
INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (@job_id, @key, @value);

-- name: BenchEntries :copyfrom
INSERT INTO afe_host_queue_entries (
    id, job_id, host_id, status, meta_host, active, complete, deleted, execution_subdir, aborted
) VALUES (
    @id, @job_id, @host_id, @status, @meta_host, @active, @complete, @deleted, @execution_subdir, @aborted
);

-- Two databases with the same digest hold the same rows, apart from ids that the tables gave.
-- name: BenchDigest :one
SELECT count(*)::bigint AS all_rows, coalesce(sum(hashtextextended(r.row, 0)), 0)::text AS digest
FROM (
    SELECT s::text AS row FROM afe_shards AS s
    UNION ALL SELECT l::text FROM afe_labels AS l
    UNION ALL SELECT u::text FROM afe_users AS u
    UNION ALL SELECT g::text FROM afe_acl_groups AS g
    UNION ALL SELECT concat('group user ', m.aclgroup_id, ' ', m.user_id) FROM afe_acl_groups_users AS m
    UNION ALL SELECT h::text FROM afe_hosts AS h
    UNION ALL SELECT concat('group host ', m.aclgroup_id, ' ', m.host_id) FROM afe_acl_groups_hosts AS m
    UNION ALL SELECT concat('host label ', m.host_id, ' ', m.label_id) FROM afe_hosts_labels AS m
    UNION ALL SELECT concat('attribute ', a.host_id, ' ', a.attribute, ' ', a.value) FROM afe_host_attributes AS a
    UNION ALL SELECT j::text FROM afe_jobs AS j
    UNION ALL SELECT concat('dependency ', d.job_id, ' ', d.label_id) FROM afe_jobs_dependency_labels AS d
    UNION ALL SELECT concat('keyval ', k.job_id, ' ', k.key, ' ', k.value) FROM afe_job_keyvals AS k
    UNION ALL SELECT e::text FROM afe_host_queue_entries AS e
) AS r;

-- How many bytes the server has written to its log so far. Only the bench writes on its server.
-- name: BenchLogBytes :one
SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::bigint AS bytes;

-- Counters of the database, which hold what a connection did once that connection has ended. Buffers
-- are pages that were read from memory or disk; only the rows of the AFE's own tables count.
-- name: BenchCounters :one
SELECT
    pg_stat_get_db_blocks_fetched(d.oid)::bigint AS buffers,
    (
        SELECT coalesce(sum(
            pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
        ), 0)
        FROM pg_catalog.pg_class AS c
        WHERE c.relkind = 'r' AND c.relname LIKE 'afe\_%'
    )::bigint AS rows_written
FROM pg_catalog.pg_database AS d
WHERE d.datname = current_database();

-- How many clients are connected to a database.
-- name: BenchConnected :one
SELECT pg_stat_get_db_numbackends(d.oid)::bigint AS connected
FROM pg_catalog.pg_database AS d
WHERE d.datname = @name::text;

-- name: BenchVersion :one
SELECT current_setting('server_version')::text AS version;
