-- A chunk of received jobs with their entries, dependency labels and keyvals, stored in one
-- transaction (P4). What is new here is copied straight into its tables; of what is here, only what
-- differs is written, from arrays. No id of the master is 0 or less, so in an array of ids 0 stands
-- for NULL.
--
-- What stores rows by INSERT or UPDATE returns how many it found to be stored and did not store.
-- There are some if another session stored them meanwhile, or if a trigger of the site swallowed
-- them; see rows.Whole.

-- name: JobsCopy :copyfrom
INSERT INTO afe_jobs (
    id, owner, name, priority, control_file, control_type, created_on, synch_count, timeout,
    run_verify, email_list, reboot_before, reboot_after, parse_failed_repair, max_runtime_hrs,
    max_runtime_mins, test_retry, run_reset, timeout_mins, require_ssp, shard_id
) VALUES (
    @id, @owner, @name, @priority, @control_file, @control_type, @created_on, @synch_count, @timeout,
    @run_verify, @email_list, @reboot_before, @reboot_after, @parse_failed_repair, @max_runtime_hrs,
    @max_runtime_mins, @test_retry, @run_reset, @timeout_mins, @require_ssp, @shard_id
);

-- name: EntriesCopy :copyfrom
INSERT INTO afe_host_queue_entries (
    id, job_id, host_id, status, meta_host, active, complete, deleted, execution_subdir, aborted,
    started_on, finished_on
) VALUES (
    @id, @job_id, @host_id, @status, @meta_host, @active, @complete, @deleted, @execution_subdir, @aborted,
    @started_on, @finished_on
);

-- name: DependencyLabelsCopy :copyfrom
INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (@job_id, @label_id);

-- name: JobKeyvalsCopy :copyfrom
INSERT INTO afe_job_keyvals (job_id, key, value) VALUES (@job_id, @key, @value);

-- The jobs that are here. What is past the highest id is not looked up, here and in JobsFind: new
-- jobs and entries nearly always are.
-- name: JobsHere :many
SELECT s.id::bigint AS id
FROM pg_catalog.unnest(@ids::bigint[]) AS s (id)
WHERE s.id <= (SELECT pg_catalog.max(j.id) FROM afe_jobs AS j)
    AND (SELECT true FROM afe_jobs AS here WHERE here.id = s.id);

-- Of jobs that are here, finds those for which anything is to be written: that differ in what the
-- master may change or in what tells one job from another, are marked for upload by ResyncJobs, or
-- stand in the quarantine or among the taken ids. The keyvals of a job come as one text and their
-- number, -1 if none were sent. They are sorted only where they stand here in another order than
-- sent: a value that was changed, or came with a suite, stands behind the others. A job may be
-- named more than once. Entries are read once, by their jobs; FULL, because only such a join is
-- never a loop over one list for each element of another.
-- name: JobsToStore :many
SELECT s.id::bigint AS id
FROM ROWS FROM (
    pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@owners::text[]), pg_catalog.unnest(@names::text[]),
    pg_catalog.unnest(@created_on::timestamp[]), pg_catalog.unnest(@shard_sent::boolean[]), pg_catalog.unnest(@shard_ids::bigint[]),
    pg_catalog.unnest(@keyval_counts::bigint[]), pg_catalog.unnest(@keyvals::text[])
) AS s (id, owner, name, created_on, shard_sent, shard_id, keyval_count, keyvals)
WHERE (
        SELECT here.owner = s.owner AND here.name = s.name
            AND here.created_on > s.created_on - interval '1 second' AND here.created_on < s.created_on + interval '1 second'
            AND (NOT s.shard_sent OR here.shard_id IS NULL OR here.shard_id = s.shard_id)
        FROM afe_jobs AS here
        WHERE here.id = s.id
    ) IS NOT TRUE
    OR s.keyval_count >= 0
    AND (
        SELECT pg_catalog.count(*) = s.keyval_count AND coalesce(pg_catalog.string_agg(k.key || E'\x1f' || k.value, E'\x1e'), '') = s.keyvals
        FROM afe_job_keyvals AS k
        WHERE k.job_id = s.id
    ) IS NOT TRUE
    AND (
        SELECT pg_catalog.count(*) = s.keyval_count AND pg_catalog.array_agg(k.key || E'\x1f' || k.value ORDER BY (k.key || E'\x1f' || k.value) COLLATE "C") = (
            SELECT pg_catalog.array_agg(p.text ORDER BY p.text COLLATE "C")
            FROM pg_catalog.unnest(pg_catalog.string_to_array(s.keyvals, E'\x1e')) AS p (text)
        )
        FROM afe_job_keyvals AS k
        WHERE k.job_id = s.id
    ) IS NOT TRUE
UNION ALL
SELECT coalesce(s.job_id, here.job_id)
FROM ROWS FROM (
    pg_catalog.unnest(@entry_jobs::bigint[]), pg_catalog.unnest(@entry_ids::bigint[]),
    pg_catalog.unnest(@aborted_sent::boolean[]), pg_catalog.unnest(@aborted::boolean[]),
    pg_catalog.unnest(@meta_host_sent::boolean[]), pg_catalog.unnest(@meta_hosts::bigint[])
) AS s (job_id, id, aborted_sent, aborted, meta_host_sent, meta_host)
FULL JOIN (
    SELECT e.id, e.job_id, e.aborted, e.meta_host, e.complete
    FROM pg_catalog.unnest(@ids::bigint[]) AS j (id)
    CROSS JOIN LATERAL (
        SELECT e.id, e.job_id, e.aborted, e.meta_host, e.complete
        FROM afe_host_queue_entries AS e
        WHERE e.job_id = j.id
        OFFSET 0
    ) AS e
) AS here ON here.id = s.id AND here.job_id = s.job_id
WHERE s.id IS NOT NULL
    AND (
        here.id IS NOT NULL
        AND (NOT s.aborted_sent OR here.aborted = s.aborted)
        AND (NOT s.meta_host_sent OR coalesce(here.meta_host, 0) = s.meta_host)
    ) IS NOT TRUE
    OR here.complete
    AND (
        (SELECT j.shard_id IS NOT NULL FROM afe_jobs AS j WHERE j.id = here.job_id)
        OR (SELECT u.unsure_since IS NULL OR u.sent_complete <> '{}' FROM shard_client_uploads AS u WHERE u.job_id = here.job_id)
    )
UNION ALL
SELECT s.job_id
FROM ROWS FROM (pg_catalog.unnest(@label_jobs::bigint[]), pg_catalog.unnest(@labels::bigint[])) AS s (job_id, label_id)
WHERE (SELECT true FROM afe_jobs_dependency_labels AS same WHERE same.job_id = s.job_id AND same.label_id = s.label_id) IS NULL
UNION ALL
SELECT q.object_id
FROM shard_client_quarantine AS q
WHERE q.direction = 'in' AND q.kind = 'job' AND q.object_id = ANY (@ids::bigint[])
UNION ALL
SELECT t.object_id
FROM shard_client_taken AS t
WHERE t.kind = 'job' AND t.object_id = ANY (@ids::bigint[]);

-- What of a chunk is here already, or is amiss: jobs and entries; jobs that have keyvals here
-- without being here, as parents of suites do, whose keyvals are stored first; jobs whose id was
-- taken; and hosts that are not here, or whose id is another host. A job of which nothing is named
-- is new and can be stored.
--
-- Here and below, each row is looked up by itself, in a subquery that cannot become a join: with a
-- join PostgreSQL would read all jobs for each chunk as long as they are few. No such subquery ends
-- with LIMIT 1, which makes a scan of the whole table look cheap; see PlansByKey.
-- name: JobsFind :many
SELECT 'job'::text AS what, s.id::bigint AS id
FROM pg_catalog.unnest(@ids::bigint[]) AS s (id)
WHERE s.id <= (SELECT pg_catalog.max(j.id) FROM afe_jobs AS j)
    AND (SELECT true FROM afe_jobs AS here WHERE here.id = s.id)
UNION ALL
SELECT 'entry', s.id
FROM pg_catalog.unnest(@entry_ids::bigint[]) AS s (id)
WHERE s.id <= (SELECT pg_catalog.max(e.id) FROM afe_host_queue_entries AS e)
    AND (SELECT true FROM afe_host_queue_entries AS here WHERE here.id = s.id)
UNION ALL
SELECT 'keyvals', s.id
FROM pg_catalog.unnest(@ids::bigint[]) AS s (id)
WHERE s.id <= (SELECT pg_catalog.max(k.job_id) FROM afe_job_keyvals AS k)
    AND (SELECT pg_catalog.count(*) FROM afe_job_keyvals AS k WHERE k.job_id = s.id) > 0
UNION ALL
SELECT 'taken', t.object_id
FROM shard_client_taken AS t
WHERE t.kind = 'job' AND t.object_id = ANY (@ids::bigint[])
UNION ALL
SELECT 'host', s.id
FROM pg_catalog.unnest(@host_ids::bigint[]) AS s (id)
WHERE (SELECT true FROM afe_hosts AS h WHERE h.id = s.id) IS NULL
    OR (SELECT true FROM shard_client_taken AS t WHERE t.kind = 'host' AND t.object_id = s.id);

-- Finds the jobs that cannot be stored, each with its first reason. The master may have given their
-- id to another job than the one that is here; an entry of theirs may belong to another job, here
-- or, if it is not here, the first one of the response that names it; or they must wait. A job
-- waits when a new entry of it names a host that is not here, because that host was leased on the
-- master when hosts were sent (host id 0: the entry names none), or names an id that is another
-- host here. A new job of a suite waits when the suite's keyvals could not be read or stored,
-- because the master sends these only with a job that is not here.
--
-- What makes a job another one is what nobody can edit: owner, name, the time of its creation, and
-- its entries, if both sides have some and share none. A time may have lost its fraction on the way
-- through a master without fractions, which rounds or truncates.
--
-- Forgets that the id of a job was taken, when the master has sent the job as it is here
-- (docs/decisions/0030-an-id-that-names-another-object.md).
-- name: JobsRefused :many
WITH sent_job AS (
    SELECT s.id, s.owner, s.name, s.created_on
    FROM ROWS FROM (
        pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@owners::text[]), pg_catalog.unnest(@names::text[]), pg_catalog.unnest(@created_on::timestamp[])
    ) AS s (id, owner, name, created_on)
),
sent AS MATERIALIZED (
    SELECT
        s.job_id, s.id, s.host_id, s.first_job, s.place,
        (SELECT here.job_id FROM afe_host_queue_entries AS here WHERE here.id = s.id) AS here_job
    FROM ROWS FROM (
        pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@entry_ids::bigint[]),
        pg_catalog.unnest(@host_ids::bigint[]), pg_catalog.unnest(@first_jobs::bigint[])
    ) WITH ORDINALITY AS s (job_id, id, host_id, first_job, place)
),
-- The first entries of each job that was sent, and whether one of its entries is here.
sent_entries AS (
    SELECT s.job_id, (pg_catalog.array_agg(s.id ORDER BY s.id))[1:3] AS first, pg_catalog.bool_or(coalesce(s.here_job = s.job_id, false)) AS shared
    FROM sent AS s
    GROUP BY s.job_id
),
-- The jobs of the chunk that are here.
known AS (
    SELECT
        s.id, s.owner, s.name, s.created_on, here.owner AS our_owner, here.name AS our_name, here.created_on AS our_created_on,
        e.first AS entries, coalesce(e.shared, false) AS share_an_entry,
        -- Not ORDER BY with LIMIT: PostgreSQL would read all entries by their ids until three are
        -- found.
        (SELECT (pg_catalog.array_agg(o.id ORDER BY o.id))[1:3] FROM afe_host_queue_entries AS o WHERE o.job_id = s.id) AS our_entries
    FROM sent_job AS s
    CROSS JOIN LATERAL (SELECT j.owner, j.name, j.created_on FROM afe_jobs AS j WHERE j.id = s.id LIMIT 1) AS here
    LEFT JOIN sent_entries AS e ON e.job_id = s.id
),
other_job AS (
    SELECT
        b.id,
        'the master gave its id to another job: '
        || pg_catalog.format('%s of %s, created %s, entries %s', pg_catalog.left(b.name, 80), pg_catalog.left(b.owner, 40), b.created_on, pg_catalog.array_to_string(b.entries, ', '))
        || '; the job here is '
        || pg_catalog.format('%s of %s, created %s, entries %s', pg_catalog.left(b.our_name, 80), pg_catalog.left(b.our_owner, 40), b.our_created_on, pg_catalog.array_to_string(b.our_entries, ', '))
        AS reason
    FROM known AS b
    WHERE b.owner <> b.our_owner
        OR b.name <> b.our_name
        OR b.our_created_on <= b.created_on - interval '1 second'
        OR b.our_created_on >= b.created_on + interval '1 second'
        OR pg_catalog.cardinality(b.entries) > 0 AND pg_catalog.cardinality(b.our_entries) > 0 AND NOT b.share_an_entry
),
given_back AS (
    DELETE FROM shard_client_taken AS here
    USING sent_job AS s
    WHERE here.kind = 'job'
        AND here.object_id = s.id
        AND NOT EXISTS (SELECT FROM other_job AS o WHERE o.id = s.id)
),
refused AS (
    SELECT o.id AS job_id, 0 AS rank, 0 AS place, 'job_taken' AS code, o.reason
    FROM other_job AS o
    UNION ALL
    SELECT s.job_id, 1, s.place, 'entry_taken', 'entry ' || s.id::text || ' belongs to job ' || s.here_job::text || ' here'
    FROM sent AS s
    WHERE s.here_job <> s.job_id
    UNION ALL
    SELECT s.job_id, 2, s.place, 'entry_taken', 'entry ' || s.id::text || ' belongs to job ' || s.first_job::text || ', which came first in this response'
    FROM sent AS s
    WHERE s.first_job <> s.job_id AND s.here_job IS NULL
    UNION ALL
    SELECT s.job_id, 3, s.place, 'waiting_for_host', 'entry ' || s.id::text || ' names host ' || s.host_id::text || ', which is not here yet'
    FROM sent AS s
    WHERE s.host_id <> 0
        AND s.here_job IS NULL
        AND NOT EXISTS (
            SELECT FROM afe_hosts AS h
            WHERE h.id = s.host_id
                AND NOT EXISTS (SELECT FROM shard_client_taken AS t WHERE t.kind = 'host' AND t.object_id = h.id)
        )
    UNION ALL
    SELECT s.id, 4, 0, 'waiting_for_keyvals', 'the keyvals of its suite could not be read or stored in this beat'
    FROM pg_catalog.unnest(@suite_job_ids::bigint[]) AS s (id)
    WHERE NOT EXISTS (SELECT FROM afe_jobs AS here WHERE here.id = s.id)
)
SELECT DISTINCT ON (r.job_id) r.job_id::bigint AS id, r.code::text AS code, r.reason::text AS reason
FROM refused AS r
ORDER BY r.job_id, r.rank, r.place;

-- Notes the jobs here with an entry whose id the master has given to an entry of another job: it
-- would be sent as that one. A response that names the job here, too, contradicts itself, and
-- proves nothing.
-- name: JobsNoteEntriesTaken :execrows
INSERT INTO shard_client_taken (kind, object_id, reason)
SELECT DISTINCT ON (here.job_id)
    'job', here.job_id, 'the master gave the id of its entry ' || s.id::text || ' to an entry of job ' || s.job_id::text
FROM ROWS FROM (pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@entry_ids::bigint[])) AS s (job_id, id)
JOIN afe_host_queue_entries AS here ON here.id = s.id AND here.job_id <> s.job_id
WHERE NOT here.job_id = ANY (@response_job_ids::bigint[])
ORDER BY here.job_id, s.id
ON CONFLICT (kind, object_id) DO NOTHING;

-- P5: of a job that exists, the master may change only shard_id, and only where it is not NULL
-- here. NULL is how the scheduler says "upload me"; writing over it lost jobs (docs/promises.md,
-- "overwritten NULL"). shard_sent: the job came with a shard, be it none.
-- name: JobUpdate :one
WITH wanted AS (
    SELECT s.id, s.shard_id
    FROM ROWS FROM (
        pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@shard_sent::boolean[]), pg_catalog.unnest(@shard_ids::bigint[])
    ) AS s (id, shard_sent, shard_id)
    WHERE s.shard_sent AND (
        SELECT here.shard_id IS DISTINCT FROM nullif(s.shard_id, 0) AND here.shard_id IS NOT NULL
        FROM afe_jobs AS here
        WHERE here.id = s.id
    )
),
updated AS (
    UPDATE afe_jobs AS here
    SET shard_id = nullif(w.shard_id, 0)
    FROM wanted AS w
    WHERE here.id = w.id AND here.shard_id IS NOT NULL
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM updated))::bigint AS missing;

-- P5: of an entry that exists, the master may change only aborted and meta_host.
-- name: EntryUpdate :one
WITH wanted AS (
    SELECT s.id, s.aborted_sent, s.aborted, s.meta_host_sent, s.meta_host
    FROM ROWS FROM (
        pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@aborted_sent::boolean[]), pg_catalog.unnest(@aborted::boolean[]),
        pg_catalog.unnest(@meta_host_sent::boolean[]), pg_catalog.unnest(@meta_hosts::bigint[])
    ) AS s (id, aborted_sent, aborted, meta_host_sent, meta_host)
    WHERE (
        SELECT s.aborted_sent AND here.aborted <> s.aborted
            OR s.meta_host_sent AND here.meta_host IS DISTINCT FROM nullif(s.meta_host, 0)
        FROM afe_host_queue_entries AS here
        WHERE here.id = s.id
    )
),
updated AS (
    UPDATE afe_host_queue_entries AS here
    SET
        aborted = CASE WHEN w.aborted_sent THEN w.aborted ELSE here.aborted END,
        meta_host = CASE WHEN w.meta_host_sent THEN nullif(w.meta_host, 0) ELSE here.meta_host END
    FROM wanted AS w
    WHERE here.id = w.id
    RETURNING here.id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM updated))::bigint AS missing;

-- name: JobAddDependencyLabels :one
WITH wanted AS (
    SELECT DISTINCT s.job_id, s.label_id
    FROM ROWS FROM (pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@label_ids::bigint[])) AS s (job_id, label_id)
    WHERE NOT EXISTS (
        SELECT FROM afe_jobs_dependency_labels AS same
        WHERE same.job_id = s.job_id AND same.label_id = s.label_id
    )
),
stored AS (
    INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
    SELECT w.job_id, w.label_id
    FROM wanted AS w
    ORDER BY w.job_id, w.label_id
    ON CONFLICT (job_id, label_id) DO NOTHING
    RETURNING job_id
)
SELECT ((SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- Replaces the keyvals of the given jobs by those sent. The lists are multisets; rows that stay the
-- same are not touched.
-- name: JobReplaceKeyvals :one
WITH sent AS (
    SELECT s.job_id, s.key, s.value,
        pg_catalog.row_number() OVER (PARTITION BY s.job_id, s.key, s.value) AS copy
    FROM ROWS FROM (
        pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@keys::text[]), pg_catalog.unnest(@keyval_values::text[])
    ) AS s (job_id, key, value)
),
here AS (
    SELECT k.id, k.job_id, k.key, k.value,
        pg_catalog.row_number() OVER (PARTITION BY k.job_id, k.key, k.value ORDER BY k.id) AS copy
    FROM afe_job_keyvals AS k
    WHERE k.job_id = ANY (@replaced_job_ids::bigint[])
),
unwanted AS (
    SELECT h.id
    FROM here AS h
    WHERE NOT EXISTS (
        SELECT FROM sent AS s
        WHERE (s.job_id, s.key, s.value, s.copy) = (h.job_id, h.key, h.value, h.copy)
    )
),
removed AS (
    DELETE FROM afe_job_keyvals AS k
    USING unwanted AS u
    WHERE k.id = u.id
    RETURNING k.id
),
wanted AS (
    SELECT s.job_id, s.key, s.value
    FROM sent AS s
    WHERE NOT EXISTS (
        SELECT FROM here AS h
        WHERE (h.job_id, h.key, h.value, h.copy) = (s.job_id, s.key, s.value, s.copy)
    )
),
stored AS (
    INSERT INTO afe_job_keyvals (job_id, key, value)
    SELECT w.job_id, w.key, w.value
    FROM wanted AS w
    ORDER BY w.job_id, w.key, w.value
    RETURNING id
)
SELECT ((SELECT pg_catalog.count(*) FROM unwanted) - (SELECT pg_catalog.count(*) FROM removed)
    + (SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- Reports whether SuiteKeyvalsStore has anything to write, or a keyval stands in the quarantine.
-- name: SuiteKeyvalsDiffer :one
SELECT (
    EXISTS (
        SELECT
        FROM pg_catalog.json_to_recordset(@keyvals::json) AS s (job_id bigint, key text, value text)
        WHERE (
            SELECT pg_catalog.bool_and(here.value = s.value)
            FROM afe_job_keyvals AS here
            WHERE here.job_id = s.job_id AND here.key = s.key
        ) IS NOT TRUE
    )
    OR EXISTS (
        SELECT
        FROM shard_client_quarantine AS q
        WHERE q.direction = 'in' AND q.kind = 'suite_keyval' AND q.object_id = ANY (@ids::bigint[])
    )
)::boolean AS differ;

-- Suite keyvals belong to the parent job and come with its children. A key that is sent has one
-- value, the last one sent, as in the original's dictionaries, and it replaces every value that the
-- key has here. Other keys stay.
-- name: SuiteKeyvalsStore :one
WITH sent AS (
    SELECT DISTINCT ON (s.job_id, s.key) s.job_id::bigint AS job_id, s.key::text AS key, s.value::text AS value
    FROM ROWS FROM (pg_catalog.json_to_recordset(@keyvals::json) AS (job_id bigint, key text, value text))
        WITH ORDINALITY AS s (job_id, key, value, place)
    ORDER BY s.job_id, s.key, s.place DESC
),
stale AS (
    SELECT here.id, s.value
    FROM sent AS s
    JOIN afe_job_keyvals AS here ON here.job_id = s.job_id AND here.key = s.key AND here.value <> s.value
),
updated AS (
    UPDATE afe_job_keyvals AS here
    SET value = s.value
    FROM stale AS s
    WHERE here.id = s.id
    RETURNING here.id
),
wanted AS (
    SELECT s.job_id, s.key, s.value
    FROM sent AS s
    WHERE NOT EXISTS (
        SELECT FROM afe_job_keyvals AS here WHERE here.job_id = s.job_id AND here.key = s.key
    )
),
stored AS (
    INSERT INTO afe_job_keyvals (job_id, key, value)
    SELECT w.job_id, w.key, w.value
    FROM wanted AS w
    ORDER BY w.job_id, w.key
    RETURNING id
)
SELECT ((SELECT pg_catalog.count(*) FROM stale) - (SELECT pg_catalog.count(*) FROM updated)
    + (SELECT pg_catalog.count(*) FROM wanted) - (SELECT pg_catalog.count(*) FROM stored))::bigint AS missing;

-- The resync rule: the master sends a job that has a complete entry here, so it does not know of
-- that completion. With shard_id NULL and no memory of what was sent, the next packet holds the
-- whole job. A request that may still be stored late is not forgotten (docs/promises.md,
-- "overwritten NULL" and "late request").
-- name: ResyncJobs :execrows
WITH ended AS (
    SELECT DISTINCT e.job_id
    FROM afe_host_queue_entries AS e
    WHERE e.job_id = ANY (@ids::bigint[]) AND e.complete
),
sent AS (
    UPDATE shard_client_uploads AS u
    SET sent_complete = '{}'
    FROM ended
    WHERE u.job_id = ended.job_id AND u.unsure_since IS NOT NULL
),
forgotten AS (
    DELETE FROM shard_client_uploads AS u
    USING ended
    WHERE u.job_id = ended.job_id AND u.unsure_since IS NULL
)
UPDATE afe_jobs AS j
SET shard_id = NULL
FROM ended
WHERE j.id = ended.job_id AND j.shard_id IS NOT NULL;
