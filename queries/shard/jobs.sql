-- A chunk of received jobs with their entries, dependency labels and keyvals, staged by COPY and
-- merged in one transaction (P4).

-- name: StageJobs :copyfrom
INSERT INTO shard_client_staged_jobs (
    id, owner, name, priority, control_file, control_type, created_on, synch_count, timeout,
    run_verify, email_list, reboot_before, reboot_after, parse_failed_repair, max_runtime_hrs,
    max_runtime_mins, test_retry, run_reset, timeout_mins, require_ssp, shard_sent, shard_id
) VALUES (
    @id, @owner, @name, @priority, @control_file, @control_type, @created_on, @synch_count, @timeout,
    @run_verify, @email_list, @reboot_before, @reboot_after, @parse_failed_repair, @max_runtime_hrs,
    @max_runtime_mins, @test_retry, @run_reset, @timeout_mins, @require_ssp, @shard_sent, @shard_id
);

-- name: StageEntries :copyfrom
INSERT INTO shard_client_staged_entries (
    id, job_id, host_id, status, meta_host_sent, meta_host, deleted, execution_subdir, aborted,
    started_on, finished_on
) VALUES (
    @id, @job_id, @host_id, @status, @meta_host_sent, @meta_host, @deleted, @execution_subdir, @aborted,
    @started_on, @finished_on
);

-- Finds the jobs that cannot be stored, each with its first reason. The master may have given their
-- id to another job than the one that is here; an entry of theirs may belong to another job, here
-- or earlier in the chunk; or they must wait. A job waits when a new entry of it names a host that
-- is not here, because that host was leased on the master when hosts were sent (host id 0: the entry
-- names none), or names an id that is another host here. A new job of a suite waits when the suite's
-- keyvals could not be read or stored, because the master sends these only with a job that is not here.
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
sent AS (
    SELECT s.job_id, s.id, s.host_id, s.place, pg_catalog.first_value(s.job_id) OVER (PARTITION BY s.id ORDER BY s.place) AS first_job
    FROM ROWS FROM (pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@entry_ids::bigint[]), pg_catalog.unnest(@host_ids::bigint[]))
        WITH ORDINALITY AS s (job_id, id, host_id, place)
),
-- The first entries of each job that was sent, and whether one of its entries is here.
sent_entries AS (
    SELECT s.job_id, (pg_catalog.array_agg(s.id ORDER BY s.id))[1:3] AS first, pg_catalog.bool_or(ours.id IS NOT NULL) AS shared
    FROM sent AS s
    LEFT JOIN afe_host_queue_entries AS ours ON ours.id = s.id AND ours.job_id = s.job_id
    GROUP BY s.job_id
),
-- The jobs of the chunk that are here.
known AS (
    SELECT
        s.id, s.owner, s.name, s.created_on, here.owner AS our_owner, here.name AS our_name, here.created_on AS our_created_on,
        e.first AS entries, coalesce(e.shared, false) AS share_an_entry,
        ARRAY(SELECT o.id FROM afe_host_queue_entries AS o WHERE o.job_id = s.id ORDER BY o.id LIMIT 3) AS our_entries
    FROM sent_job AS s
    JOIN afe_jobs AS here ON here.id = s.id
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
    SELECT s.job_id, 1, s.place, 'entry_taken', 'entry ' || s.id::text || ' belongs to job ' || here.job_id::text || ' here'
    FROM sent AS s
    JOIN afe_host_queue_entries AS here ON here.id = s.id AND here.job_id <> s.job_id
    UNION ALL
    SELECT s.job_id, 2, s.place, 'entry_taken', 'entry ' || s.id::text || ' belongs to job ' || s.first_job::text || ', which came first in this response'
    FROM sent AS s
    WHERE s.first_job <> s.job_id
    UNION ALL
    SELECT s.job_id, 3, s.place, 'waiting_for_host', 'entry ' || s.id::text || ' names host ' || s.host_id::text || ', which is not here yet'
    FROM sent AS s
    WHERE s.host_id <> 0
        AND NOT EXISTS (SELECT FROM afe_host_queue_entries AS here WHERE here.id = s.id)
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
-- "overwritten NULL").
-- name: JobUpdate :execrows
UPDATE afe_jobs AS here
SET shard_id = s.shard_id
FROM shard_client_staged_jobs AS s
WHERE here.id = s.id
    AND s.shard_sent
    AND here.shard_id IS NOT NULL
    AND here.shard_id IS DISTINCT FROM s.shard_id;

-- Jobs and entries that are here are left out: ON CONFLICT DO NOTHING alone would wait for a session
-- that is changing one of them. They are looked up one by one, by a subquery that cannot become a
-- join: PostgreSQL overestimates a staging table that was just emptied, and would read all jobs.
-- name: JobInsert :execrows
INSERT INTO afe_jobs (
    id, owner, name, priority, control_file, control_type, created_on, synch_count, timeout,
    run_verify, email_list, reboot_before, reboot_after, parse_failed_repair, max_runtime_hrs,
    max_runtime_mins, test_retry, run_reset, timeout_mins, require_ssp, shard_id
)
SELECT
    s.id, s.owner, s.name, s.priority, s.control_file, s.control_type, s.created_on, s.synch_count, s.timeout,
    s.run_verify, s.email_list, s.reboot_before, s.reboot_after, s.parse_failed_repair, s.max_runtime_hrs,
    s.max_runtime_mins, s.test_retry, s.run_reset, s.timeout_mins, s.require_ssp, s.shard_id
FROM shard_client_staged_jobs AS s
WHERE (SELECT same.id FROM afe_jobs AS same WHERE same.id = s.id) IS NULL
ORDER BY s.id
ON CONFLICT (id) DO NOTHING;

-- P5: of an entry that exists, the master may change only aborted and meta_host.
-- name: EntryUpdate :execrows
UPDATE afe_host_queue_entries AS here
SET
    aborted = coalesce(s.aborted, here.aborted),
    meta_host = CASE WHEN s.meta_host_sent THEN s.meta_host ELSE here.meta_host END
FROM shard_client_staged_entries AS s
WHERE here.id = s.id
    AND (
        here.aborted <> coalesce(s.aborted, here.aborted)
        OR (s.meta_host_sent AND here.meta_host IS DISTINCT FROM s.meta_host)
    );

-- Whether a new entry is active or complete follows from its status, by the fixed lists of
-- monitor_db (docs/protocol.md, "The shard's scheduler").
-- name: EntryInsert :execrows
INSERT INTO afe_host_queue_entries (
    id, job_id, host_id, status, meta_host, active, complete, deleted, execution_subdir, aborted,
    started_on, finished_on
)
SELECT
    s.id, s.job_id, s.host_id, s.status, s.meta_host,
    s.status IN ('Starting', 'Resetting', 'Verifying', 'Provisioning', 'Pending', 'Running', 'Gathering', 'Cleaning'),
    s.status IN ('Aborted', 'Completed', 'Failed', 'Stopped', 'Template'),
    s.deleted, s.execution_subdir, coalesce(s.aborted, false), s.started_on, s.finished_on
FROM shard_client_staged_entries AS s
WHERE (SELECT same.id FROM afe_host_queue_entries AS same WHERE same.id = s.id) IS NULL
ORDER BY s.id
ON CONFLICT (id) DO NOTHING;

-- name: StagedJobsClear :execrows
DELETE FROM shard_client_staged_jobs;

-- name: StagedEntriesClear :execrows
DELETE FROM shard_client_staged_entries;

-- name: JobAddDependencyLabels :execrows
INSERT INTO afe_jobs_dependency_labels (job_id, label_id)
SELECT DISTINCT s.job_id, s.label_id
FROM ROWS FROM (pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@label_ids::bigint[])) AS s (job_id, label_id)
WHERE NOT EXISTS (
    SELECT FROM afe_jobs_dependency_labels AS same
    WHERE same.job_id = s.job_id AND same.label_id = s.label_id
)
ORDER BY s.job_id, s.label_id
ON CONFLICT (job_id, label_id) DO NOTHING;

-- Replaces the keyvals of the given jobs by those sent. The lists are multisets; rows that stay the
-- same are not touched.
-- name: JobReplaceKeyvals :execrows
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
removed AS (
    DELETE FROM afe_job_keyvals AS k
    USING here AS h
    WHERE k.id = h.id
        AND NOT EXISTS (
            SELECT FROM sent AS s
            WHERE (s.job_id, s.key, s.value, s.copy) = (h.job_id, h.key, h.value, h.copy)
        )
)
INSERT INTO afe_job_keyvals (job_id, key, value)
SELECT s.job_id, s.key, s.value
FROM sent AS s
WHERE NOT EXISTS (
    SELECT FROM here AS h
    WHERE (h.job_id, h.key, h.value, h.copy) = (s.job_id, s.key, s.value, s.copy)
)
ORDER BY s.job_id, s.key, s.value;

-- Suite keyvals belong to the parent job and come with its children. A key that is sent has one
-- value, the last one sent, as in the original's dictionaries, and it replaces every value that the
-- key has here. Other keys stay.
-- name: SuiteKeyvalsStore :execrows
WITH sent AS (
    SELECT DISTINCT ON (s.job_id, s.key) s.job_id::bigint AS job_id, s.key::text AS key, s.value::text AS value
    FROM ROWS FROM (pg_catalog.json_to_recordset(@keyvals::json) AS (job_id bigint, key text, value text))
        WITH ORDINALITY AS s (job_id, key, value, place)
    ORDER BY s.job_id, s.key, s.place DESC
),
updated AS (
    UPDATE afe_job_keyvals AS here
    SET value = s.value
    FROM sent AS s
    WHERE here.job_id = s.job_id AND here.key = s.key AND here.value <> s.value
)
INSERT INTO afe_job_keyvals (job_id, key, value)
SELECT s.job_id, s.key, s.value
FROM sent AS s
WHERE NOT EXISTS (
    SELECT FROM afe_job_keyvals AS here WHERE here.job_id = s.job_id AND here.key = s.key
)
ORDER BY s.job_id, s.key;

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
