-- What the bench copies, fills, counts and compares.

-- The floor: the rows of an answer by COPY, in the order of the foreign keys. Where the client
-- leaves the id to the table, so does the floor.

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

-- The rows of the AFE's own tables that were written in this database. It counts what a connection
-- did for certain once that connection has ended.
-- name: BenchRowsWritten :one
SELECT coalesce(sum(
    pg_stat_get_tuples_inserted(c.oid) + pg_stat_get_tuples_updated(c.oid) + pg_stat_get_tuples_deleted(c.oid)
), 0)::bigint AS rows_written
FROM pg_catalog.pg_class AS c
WHERE c.relkind = 'r' AND c.relname LIKE 'afe\_%';

-- The pages that connections to a database have asked for, with the same restriction. It is asked
-- in another database, because asking reads pages, too.
-- name: BenchBuffers :one
SELECT pg_stat_get_db_blocks_fetched(d.oid)::bigint AS buffers
FROM pg_catalog.pg_database AS d
WHERE d.datname = @name::text;

-- The size of shard-client's own tables, with their indexes.
-- name: BenchOwnBytes :one
SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint AS bytes
FROM pg_catalog.pg_class AS c
WHERE c.relkind = 'r' AND c.relname LIKE 'shard\_client\_%';

-- How many clients are connected to a database.
-- name: BenchConnected :one
SELECT pg_stat_get_db_numbackends(d.oid)::bigint AS connected
FROM pg_catalog.pg_database AS d
WHERE d.datname = @name::text;

-- name: BenchVersion :one
SELECT current_setting('server_version')::text AS version;

-- Jobs that are finished and acknowledged, with one entry each, from an id on.
-- name: BenchHistoryJobs :exec
INSERT INTO afe_jobs (id, owner, name, control_file, created_on, shard_id)
SELECT n, 'alice', 'history/' || n, 'job.run_test("dummy_Pass")', timestamp '2019-03-01' + n * interval '1 second', 1
FROM generate_series(@first_id::bigint, @last_id::bigint) AS n;

-- name: BenchHistoryEntries :exec
INSERT INTO afe_host_queue_entries (id, job_id, host_id, status, complete, execution_subdir, started_on, finished_on)
SELECT n, n, 1, 'Completed', true, 'host1', timestamp '2019-03-01 00:01', timestamp '2019-03-01 01:00'
FROM generate_series(@first_id::bigint, @last_id::bigint) AS n;

-- Jobs that wait for their upload, with two entries each and a control file of about 1.5 kB.
-- name: BenchFinishedJobs :exec
INSERT INTO afe_jobs (id, owner, name, created_on, control_file)
SELECT n, 'alice', 'finished/' || n, timestamp '2019-03-15 10:20:31.123', repeat(E'job.run_test("dummy_Pass")\n', 55)
FROM generate_series(@first_id::bigint, @last_id::bigint) AS n;

-- name: BenchFinishedEntries :exec
INSERT INTO afe_host_queue_entries (id, job_id, status, complete, execution_subdir, started_on, finished_on)
SELECT 2 * j.n + e.n, j.n, 'Completed', true, 'host' || e.n, timestamp '2019-03-15 10:21:31', timestamp '2019-03-15 11:21:31.5'
FROM generate_series(@first_id::bigint, @last_id::bigint) AS j (n)
CROSS JOIN generate_series(0, 1) AS e (n);

-- Lets jobs wait for their upload again. They differ from what went up before: the client says when
-- it uploads the same again and again.
-- name: BenchUploadAgain :exec
UPDATE afe_jobs SET shard_id = NULL, test_retry = test_retry + 1 WHERE id BETWEEN @first_id::bigint AND @last_id::bigint;

-- The floor of acknowledging: one UPDATE by key.
-- name: BenchAcknowledge :exec
UPDATE afe_jobs SET shard_id = 1 WHERE id BETWEEN @first_id::bigint AND @last_id::bigint;

-- name: BenchVacuum :exec
VACUUM (ANALYZE);

-- name: BenchCheckpoint :exec
CHECKPOINT;

-- A scheduler's statement.
-- name: BenchTouchEntry :exec
UPDATE afe_host_queue_entries SET execution_subdir = 'host1' WHERE id = @id;

-- The label by which a master gives hosts and jobs to the shard.
-- name: BenchShardLabel :exec
INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (@shard_id, @label_id);

-- Takes all hosts and jobs from the shard, as before its first heartbeat.
-- name: BenchUnassignHosts :exec
UPDATE afe_hosts SET shard_id = NULL;

-- name: BenchUnassignJobs :exec
UPDATE afe_jobs SET shard_id = NULL;

-- Gives all jobs to the shard.
-- name: BenchAssignJobs :exec
UPDATE afe_jobs SET shard_id = 1;

-- The floor of sending: the rows that are sent get a shard.
-- name: BenchAssign :exec
WITH hosts AS (
    UPDATE afe_hosts
    SET shard_id = 1
)
UPDATE afe_jobs
SET shard_id = 1;

-- name: BenchReopenEntries :exec
UPDATE afe_host_queue_entries SET complete = false, status = 'Queued';

-- The floor of storing an upload: one UPDATE of the jobs and one of their entries.
-- name: BenchStoreJobs :exec
UPDATE afe_jobs SET shard_id = NULL, test_retry = test_retry;

-- name: BenchStoreEntries :exec
UPDATE afe_host_queue_entries
SET complete = true, status = 'Completed', finished_on = timestamp '2019-03-15 11:21:31.5';
