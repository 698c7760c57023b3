-- Edits of the master's tables by people and suites: jobs. Ids are taken first. All
-- rows of any number of jobs can then be stored with COPY.

-- name: AdminJobIDs :many
SELECT nextval(pg_get_serial_sequence('afe_jobs', 'id')::regclass)::bigint AS id
FROM generate_series(1, @jobs::bigint);

-- name: AdminJobAdd :copyfrom
INSERT INTO afe_jobs (
    id, owner, name, priority, control_file, control_type, created_on, synch_count, parent_job_id,
    timeout, timeout_mins, max_runtime_mins
) VALUES (
    @id, @owner, @name, @priority, @control_file, @control_type, @created_on, @synch_count, @parent_job_id,
    @timeout, @timeout_mins, @max_runtime_mins
);

-- name: AdminDependencyAdd :copyfrom
INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
VALUES (@job_id, @label_id);

-- name: AdminKeyvalAdd :copyfrom
INSERT INTO afe_job_keyvals (job_id, key, value)
VALUES (@job_id, @key, @value);

-- name: AdminEntryAdd :copyfrom
INSERT INTO afe_host_queue_entries (job_id, host_id, meta_host, status)
VALUES (@job_id, @host_id, @meta_host, @status);

-- name: AdminJobsWithID :many
SELECT j.id
FROM afe_jobs AS j
WHERE j.id = ANY (@ids::bigint[])
ORDER BY j.id;

-- Returns jobs, their children, the children of these, and so on.
-- name: AdminJobTree :many
WITH RECURSIVE tree AS (
    SELECT j.id
    FROM afe_jobs AS j
    WHERE j.id = ANY (@ids::bigint[])
    UNION
    SELECT j.id
    FROM afe_jobs AS j
    JOIN tree ON j.parent_job_id = tree.id
)
SELECT tree.id
FROM tree
ORDER BY tree.id;

-- Locks the entries that can be aborted, in the order of the heartbeat. It waits for
-- an upload that is completing an entry, and then leaves that entry out.
-- name: AdminEntryLockOfJobs :many
SELECT e.id, e.job_id
FROM afe_host_queue_entries AS e
WHERE e.job_id = ANY (@job_ids::bigint[]) AND NOT e.complete AND NOT e.aborted
ORDER BY e.id
FOR NO KEY UPDATE;

-- name: AdminEntryLockOfHosts :many
SELECT e.id, e.job_id
FROM afe_host_queue_entries AS e
JOIN afe_hosts AS h ON h.id = e.host_id
WHERE h.hostname = ANY (@hostnames::text[]) AND NOT e.complete AND NOT e.aborted
ORDER BY e.id
FOR NO KEY UPDATE OF e;

-- An upload may have cleared the mark of an earlier abort; then the later abort
-- counts.
-- name: AdminEntryAbort :execrows
WITH blamed AS (
    INSERT INTO afe_aborted_host_queue_entries (queue_entry_id, aborted_by_id, aborted_on)
    SELECT s.id, @aborted_by_id::bigint, @aborted_on::timestamp
    FROM unnest(@ids::bigint[]) AS s (id)
    ORDER BY s.id
    ON CONFLICT (queue_entry_id) DO UPDATE
    SET aborted_by_id = excluded.aborted_by_id, aborted_on = excluded.aborted_on
)
UPDATE afe_host_queue_entries
SET aborted = true
WHERE id = ANY (@ids::bigint[]);

-- Lists jobs, the newest first. entries counts a job's entries by what Autotest calls
-- their full status.
-- name: AdminJobList :many
SELECT
    j.id, j.name, j.owner, j.priority, j.created_on, coalesce(s.hostname, '')::text AS shard,
    coalesce(j.parent_job_id, 0)::bigint AS parent_job_id,
    (
        SELECT coalesce(json_object_agg(c.status, c.entries ORDER BY c.status), '{}')
        FROM (
            SELECT f.status, count(*) AS entries
            FROM (
                SELECT CASE WHEN e.aborted AND NOT e.complete THEN 'Aborted (' || e.status || ')' ELSE e.status END AS status
                FROM afe_host_queue_entries AS e
                WHERE e.job_id = j.id
            ) AS f
            GROUP BY f.status
        ) AS c
    )::text AS entries
FROM afe_jobs AS j
LEFT JOIN afe_shards AS s ON s.id = j.shard_id
WHERE (@shard::text = '' OR s.hostname = @shard::text)
    AND (NOT @open::boolean OR EXISTS (
        SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND NOT e.complete
    ))
    AND (NOT @finished::boolean OR NOT EXISTS (
        SELECT FROM afe_host_queue_entries AS e WHERE e.job_id = j.id AND NOT e.complete
    ))
ORDER BY j.id DESC
LIMIT @up_to::bigint;
