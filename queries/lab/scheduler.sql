-- The statements of the shard's scheduler, as in docs/scheduler-contract.md: each
-- one commits by itself, and shard_id is set to NULL only by a scheduler whose
-- cached job object does not hold a NULL already.
--
-- afe_hosts.synch_id is the toy scheduler's mark: the entry that the host is
-- leased for. It is set and cleared together with the lease, in one statement. From
-- it a restarted scheduler learns what the one before it had begun.

-- Reports whether the server takes writes, although most turns only read: one that was
-- demoted keeps its connections, and would be read for ever. And whether the tables of a real
-- scheduler are there.
-- name: SchedulerServer :many
SELECT
    (current_setting('transaction_read_only') = 'off')::boolean AS takes_writes,
    (to_regclass('afe_special_tasks') IS NOT NULL)::boolean AS has_tasks;

-- Returns every open entry that uses or needs a host, with the columns of its job
-- that the scheduler needs. For a synchronous job it also returns how many complete
-- entries ran, and whether one ended before it ran, which breaks its group. Finished
-- entries of other jobs cost nothing: OFFSET 0 makes PostgreSQL look up each job by
-- index.
-- name: SchedulerOpenEntries :many
SELECT
    e.id, e.job_id, e.host_id, e.status, e.active, e.aborted, e.execution_subdir,
    (e.started_on IS NOT NULL)::boolean AS started,
    (e.finished_on IS NOT NULL)::boolean AS finished,
    j.owner, j.synch_count,
    (j.shard_id IS NULL)::boolean AS shard_is_null,
    coalesce(h.hostname, '')::text AS hostname,
    coalesce(h.status, '')::text AS host_status,
    (h.synch_id IS NOT NULL AND h.leased)::boolean AS host_marked,
    CASE
        WHEN j.synch_count > 1 THEN (
            SELECT count(*)
            FROM afe_host_queue_entries AS c
            WHERE c.job_id = j.id AND c.complete AND c.started_on IS NOT NULL
        )
        ELSE 0
    END::bigint AS ran,
    CASE
        WHEN j.synch_count > 1 THEN EXISTS (
            SELECT FROM afe_host_queue_entries AS c
            WHERE c.job_id = j.id AND c.complete AND c.started_on IS NULL AND c.execution_subdir <> ''
            OFFSET 0
        )
        ELSE false
    END::boolean AS broken,
    false::boolean AS waits_for_children
FROM afe_host_queue_entries AS e
JOIN afe_jobs AS j ON j.id = e.job_id
LEFT JOIN afe_hosts AS h ON h.id = e.host_id
WHERE NOT e.complete
    AND (
        e.host_id IS NOT NULL
        OR e.meta_host IS NOT NULL
        OR EXISTS (SELECT FROM afe_jobs_dependency_labels AS d WHERE d.job_id = e.job_id OFFSET 0)
    )
ORDER BY e.job_id, e.id;

-- Returns the other open entries, which need no host. A master runs them itself.
-- Such a job, a suite, waits until none of its children has an open entry.
-- name: SchedulerOpenHostlessEntries :many
SELECT
    e.id, e.job_id, e.host_id, e.status, e.active, e.aborted, e.execution_subdir,
    (e.started_on IS NOT NULL)::boolean AS started,
    (e.finished_on IS NOT NULL)::boolean AS finished,
    j.owner, j.synch_count,
    (j.shard_id IS NULL)::boolean AS shard_is_null,
    ''::text AS hostname,
    ''::text AS host_status,
    false::boolean AS host_marked,
    0::bigint AS ran,
    false::boolean AS broken,
    EXISTS (
        SELECT FROM afe_jobs AS child
        JOIN afe_host_queue_entries AS c ON c.job_id = child.id
        WHERE child.parent_job_id = j.id AND NOT c.complete
        OFFSET 0
    )::boolean AS waits_for_children
FROM afe_host_queue_entries AS e
JOIN afe_jobs AS j ON j.id = e.job_id
WHERE NOT e.complete
    AND e.host_id IS NULL
    AND e.meta_host IS NULL
    AND NOT EXISTS (SELECT FROM afe_jobs_dependency_labels AS d WHERE d.job_id = e.job_id OFFSET 0)
ORDER BY e.job_id, e.id;

-- Returns the hosts that are leased for an entry, with the state of that entry.
-- name: SchedulerHostsAtWork :many
SELECT
    h.id, h.hostname, h.status,
    e.id AS entry_id, e.job_id, e.complete AS entry_complete, e.status AS entry_status,
    (j.shard_id IS NULL)::boolean AS shard_is_null
FROM afe_hosts AS h
JOIN afe_host_queue_entries AS e ON e.id = h.synch_id
JOIN afe_jobs AS j ON j.id = e.job_id
WHERE h.leased
ORDER BY h.id;

-- Returns the free hosts that fit each queued entry, in the order in which entries
-- are served. A host is free when it is valid, unlocked, not leased and Ready. It
-- fits when it carries the entry's meta host and all labels that the job depends
-- on, is the entry's own host if there is one, shares an ACL group with the job's
-- owner, and, where a job has a host once, is not that of another entry of the job; everybody
-- is a member of Everyone. Labels and groups are gathered
-- once for each host, job and owner, not for each pair. Without a free host nothing
-- else is read.
-- name: SchedulerFits :many
WITH free AS MATERIALIZED (
    SELECT
        h.id,
        ARRAY(SELECT hl.label_id FROM afe_hosts_labels AS hl WHERE hl.host_id = h.id) AS label_ids,
        ARRAY(SELECT gh.aclgroup_id FROM afe_acl_groups_hosts AS gh WHERE gh.host_id = h.id) AS group_ids
    FROM afe_hosts AS h
    WHERE NOT h.invalid AND NOT h.locked AND NOT h.leased AND h.status = 'Ready'
),
queued AS MATERIALIZED (
    SELECT e.id, e.job_id, e.host_id, e.meta_host, j.priority, j.owner
    FROM afe_host_queue_entries AS e
    JOIN afe_jobs AS j ON j.id = e.job_id
    WHERE NOT e.complete
        AND NOT e.aborted
        AND e.status = 'Queued'
        AND EXISTS (SELECT FROM free)
),
dependencies AS MATERIALIZED (
    SELECT d.job_id, array_agg(d.label_id) AS label_ids
    FROM afe_jobs_dependency_labels AS d
    WHERE d.job_id = ANY (ARRAY(SELECT DISTINCT q.job_id FROM queued AS q))
    GROUP BY d.job_id
),
owners AS MATERIALIZED (
    SELECT
        q.owner,
        ARRAY(
            SELECT gu.aclgroup_id
            FROM afe_users AS u
            JOIN afe_acl_groups_users AS gu ON gu.user_id = u.id
            WHERE u.login = q.owner
            UNION
            SELECT g.id
            FROM afe_acl_groups AS g
            WHERE g.name = 'Everyone'
        ) AS group_ids
    FROM (SELECT DISTINCT owner FROM queued) AS q
)
SELECT q.id::bigint AS entry_id, array_agg(f.id ORDER BY f.id)::bigint[] AS host_ids
FROM queued AS q
JOIN owners AS o ON o.owner = q.owner
LEFT JOIN dependencies AS d ON d.job_id = q.job_id
JOIN free AS f ON (q.host_id IS NULL OR q.host_id = f.id)
    AND (q.meta_host IS NULL OR q.meta_host = ANY (f.label_ids))
    AND (d.label_ids IS NULL OR f.label_ids @> d.label_ids)
    AND f.group_ids && o.group_ids
    AND NOT (@host_once::boolean AND EXISTS (
        SELECT FROM afe_host_queue_entries AS other
        WHERE other.job_id = q.job_id AND other.host_id = f.id AND other.id <> q.id
        OFFSET 0
    ))
GROUP BY q.priority, q.id
ORDER BY q.priority DESC, q.id;

-- Takes a free host for an entry. It returns no row when the host is no longer free.
-- name: SchedulerLeaseHost :many
UPDATE afe_hosts
SET leased = true, synch_id = @entry_id::bigint
WHERE id = @id::bigint AND NOT invalid AND NOT locked AND NOT leased AND status = 'Ready'
RETURNING hostname;

-- Marks the host of an entry that another scheduler began.
-- name: SchedulerAdoptHost :execrows
UPDATE afe_hosts
SET leased = true, synch_id = @entry_id::bigint
WHERE id = @id::bigint AND (synch_id IS NULL OR NOT leased);

-- name: SchedulerReleaseHost :execrows
UPDATE afe_hosts
SET leased = false, synch_id = NULL
WHERE id = @id::bigint AND synch_id = @entry_id::bigint;

-- Releases the hosts that no entry uses. A new host of an AFE is leased until its master's
-- scheduler does this. A host that a heartbeat or somebody else holds waits for the next turn.
-- name: SchedulerReleaseUnused :execrows
WITH unused AS (
    SELECT h.id
    FROM afe_hosts AS h
    WHERE h.leased
        AND NOT h.locked
        AND h.status = 'Ready'
        AND h.synch_id IS NULL
        AND NOT EXISTS (
            SELECT FROM afe_host_queue_entries AS e
            WHERE e.host_id = h.id AND e.active AND NOT e.complete
            OFFSET 0
        )
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE afe_hosts AS here
SET leased = false
FROM unused
WHERE here.id = unused.id;

-- name: SchedulerSetHostStatus :execrows
UPDATE afe_hosts
SET status = @status
WHERE id = @id;

-- A statement whose connection was cut off silently may come to the server when the network is
-- whole again, long after the scheduler has gone on by another connection. So what is written
-- before an entry is complete changes none that is: the master would not hear of it.

-- Starts an entry on its host, in one statement, as the recordings show it.
-- name: SchedulerStartEntry :execrows
UPDATE afe_host_queue_entries
SET host_id = sqlc.narg('host_id')::bigint, execution_subdir = @execution_subdir, started_on = sqlc.narg('started_on')::timestamp
WHERE id = @id AND NOT complete;

-- name: SchedulerSetEntryHost :execrows
UPDATE afe_host_queue_entries
SET host_id = @host_id::bigint
WHERE id = @id::bigint AND NOT complete;

-- name: SchedulerSetEntryExecutionSubdir :execrows
UPDATE afe_host_queue_entries
SET execution_subdir = @execution_subdir::text
WHERE id = @id::bigint AND NOT complete;

-- name: SchedulerSetEntryStarted :execrows
UPDATE afe_host_queue_entries
SET started_on = @started_on::timestamp
WHERE id = @id::bigint AND NOT complete;

-- name: SchedulerSetEntryStatus :execrows
UPDATE afe_host_queue_entries
SET status = @status
WHERE id = @id AND NOT complete;

-- name: SchedulerSetEntryActive :execrows
UPDATE afe_host_queue_entries
SET active = @active
WHERE id = @id AND NOT complete;

-- name: SchedulerSetEntryFinished :execrows
UPDATE afe_host_queue_entries
SET finished_on = sqlc.narg('finished_on')::timestamp
WHERE id = @id AND NOT complete;

-- name: SchedulerAskForUpload :execrows
UPDATE afe_jobs
SET shard_id = NULL
WHERE id = @job_id;

-- name: SchedulerCompleteEntry :execrows
UPDATE afe_host_queue_entries
SET complete = true
WHERE id = @id;

-- Stops an idle sibling of an entry that ends.
-- name: SchedulerStopEntry :execrows
UPDATE afe_host_queue_entries
SET status = 'Stopped', active = false, complete = true
WHERE id = @id::bigint AND NOT complete;

-- Ends an entry in one statement, as lucifer does. An entry that never started has
-- no finished_on.
-- name: LuciferEndEntry :execrows
UPDATE afe_host_queue_entries
SET status = @status::text, active = false, complete = true, finished_on = sqlc.narg('finished_on')::timestamp
WHERE id = @id::bigint AND NOT complete;
