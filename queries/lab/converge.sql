-- Compares a shard with its master. The shard's jobs are sent as JSON to the
-- master's database, which finds the differences.

-- Returns a page of a shard's jobs, by id, as the master should have them. For an
-- open entry it matters only that it is open: its other fields are uploaded when
-- it is complete. Times on the wire have milliseconds. Masters of 2015 are not told
-- the hosts of entries. ran lists the entries that began on this shard.
-- name: ConvergePage :one
WITH page AS (
    SELECT j.*
    FROM afe_jobs AS j
    WHERE j.id > @after_id::bigint
    ORDER BY j.id
    LIMIT @jobs::bigint
),
entries AS (
    SELECT
        e.job_id,
        e.id,
        e.started_on IS NOT NULL AS ran,
        e.complete,
        CASE WHEN e.complete THEN
            to_jsonb(e) - CASE WHEN @host_ids::boolean THEN '{id,job_id,atomic_group_id}'::text[]
                ELSE '{id,job_id,atomic_group_id,host_id}'::text[] END
            || jsonb_build_object(
                'started_on', date_trunc('milliseconds', e.started_on),
                'finished_on', date_trunc('milliseconds', e.finished_on)
            )
        ELSE jsonb_build_object('complete', false) END AS fields
    FROM afe_host_queue_entries AS e
    WHERE e.job_id IN (SELECT p.id FROM page AS p)
)
SELECT
    coalesce(max(p.id), 0)::bigint AS last_id,
    count(*)::bigint AS jobs,
    (SELECT count(*) FROM entries)::bigint AS entries,
    (SELECT count(*) FROM entries AS e WHERE e.complete)::bigint AS complete_entries,
    coalesce((SELECT array_agg(e.id ORDER BY e.id) FROM entries AS e WHERE e.ran), '{}')::bigint[] AS ran,
    coalesce(jsonb_agg(jsonb_build_object(
        'id', p.id,
        'uploaded', NOT (
            p.shard_id IS NULL AND EXISTS (SELECT FROM entries AS e WHERE e.job_id = p.id AND e.complete)
        ),
        'fields', to_jsonb(p) - '{id,shard_id,parent_job_id,drone_set_id,parameterized_job_id}'::text[],
        'entries', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('id', e.id, 'fields', e.fields)), '[]')
            FROM entries AS e
            WHERE e.job_id = p.id
        )
    ) ORDER BY p.id), '[]')::text AS records
FROM page AS p;

-- Lists the differences between the master and a page, including jobs that the
-- master gave to the shard and that the page lacks. kind is job or entry. For an
-- entry that exists only on the shard, the shard's value says whether it is
-- complete or open.
-- name: ConvergeDiff :many
WITH us AS (
    SELECT s.id
    FROM afe_shards AS s
    WHERE s.hostname = @shard_hostname::text
),
here_jobs AS (
    SELECT (j.record ->> 'id')::bigint AS id, (j.record ->> 'uploaded')::boolean AS uploaded,
        j.record -> 'fields' AS fields, j.record -> 'entries' AS entries
    FROM jsonb_array_elements(@records::jsonb) AS j (record)
),
here_entries AS (
    SELECT h.id AS job_id, (e.record ->> 'id')::bigint AS id, e.record -> 'fields' AS fields
    FROM here_jobs AS h
    CROSS JOIN LATERAL jsonb_array_elements(h.entries) AS e (record)
),
different AS (
    SELECT 'job' AS kind, h.id, h.id AS job_id, 'exists' AS field, 'yes' AS shard_value, 'no' AS master_value
    FROM here_jobs AS h
    WHERE NOT EXISTS (SELECT FROM afe_jobs AS m WHERE m.id = h.id)
    UNION ALL
    SELECT 'job', m.id, m.id, 'exists', 'no', 'yes'
    FROM afe_jobs AS m
    JOIN us ON us.id = m.shard_id
    WHERE m.id > @after_id::bigint
        AND m.id <= @until_id::bigint
        AND NOT EXISTS (SELECT FROM here_jobs AS h WHERE h.id = m.id)
    UNION ALL
    SELECT 'job', h.id, h.id, 'shard', @shard_hostname::text, coalesce(s.hostname, 'none')
    FROM here_jobs AS h
    JOIN afe_jobs AS m ON m.id = h.id
    LEFT JOIN afe_shards AS s ON s.id = m.shard_id
    WHERE s.hostname IS DISTINCT FROM @shard_hostname::text
    UNION ALL
    SELECT 'job', h.id, h.id, 'uploaded', 'waits', 'not yet'
    FROM here_jobs AS h
    WHERE NOT h.uploaded
    UNION ALL
    SELECT 'job', h.id, h.id, f.key, coalesce(f.value, 'NULL'), coalesce(m.fields ->> f.key, 'NULL')
    FROM here_jobs AS h
    JOIN (SELECT j.id, to_jsonb(j) AS fields FROM afe_jobs AS j) AS m ON m.id = h.id
    CROSS JOIN LATERAL jsonb_each_text(h.fields) AS f (key, value)
    WHERE f.value IS DISTINCT FROM m.fields ->> f.key
    UNION ALL
    SELECT 'entry', h.id, h.job_id, 'exists', CASE WHEN h.fields ->> 'complete' = 'true' THEN 'complete' ELSE 'open' END, 'no'
    FROM here_entries AS h
    WHERE NOT EXISTS (SELECT FROM afe_host_queue_entries AS m WHERE m.id = h.id AND m.job_id = h.job_id)
    UNION ALL
    SELECT 'entry', m.id, m.job_id, 'exists', 'no', 'yes'
    FROM afe_host_queue_entries AS m
    WHERE m.job_id IN (SELECT h.id FROM here_jobs AS h)
        AND NOT EXISTS (SELECT FROM here_entries AS h WHERE h.id = m.id)
    UNION ALL
    SELECT 'entry', h.id, h.job_id, f.key, coalesce(f.value, 'NULL'), coalesce(m.fields ->> f.key, 'NULL')
    FROM here_entries AS h
    JOIN (SELECT e.id, to_jsonb(e) AS fields FROM afe_host_queue_entries AS e) AS m ON m.id = h.id
    CROSS JOIN LATERAL jsonb_each_text(h.fields) AS f (key, value)
    WHERE f.value IS DISTINCT FROM m.fields ->> f.key
)
SELECT
    d.kind::text AS kind, d.id::bigint AS id, d.job_id::bigint AS job_id,
    d.field::text AS field, d.shard_value::text AS shard_value, d.master_value::text AS master_value
FROM different AS d
ORDER BY d.kind, d.id, d.field;

-- Returns the hosts that a shard uses, with their statuses.
-- name: ConvergeHosts :one
SELECT coalesce(jsonb_agg(jsonb_build_object('id', h.id, 'status', h.status)), '[]')::text AS hosts
FROM afe_hosts AS h
WHERE NOT h.invalid;

-- Lists the differences between the hosts of the shard and of the master. The shard
-- need not have a host that is leased on the master or carries no label of the
-- shard, because such a host is not sent. Masters of 2015 are not told statuses.
-- name: ConvergeHostDiff :many
WITH us AS (
    SELECT s.id
    FROM afe_shards AS s
    WHERE s.hostname = @shard_hostname::text
),
here AS (
    SELECT (h.record ->> 'id')::bigint AS id, h.record ->> 'status' AS status
    FROM jsonb_array_elements(@hosts::jsonb) AS h (record)
),
there AS (
    SELECT m.id, m.status
    FROM afe_hosts AS m
    JOIN us ON us.id = m.shard_id
),
sendable AS (
    SELECT m.id
    FROM afe_hosts AS m
    JOIN us ON us.id = m.shard_id
    WHERE NOT m.leased
        AND EXISTS (
            SELECT FROM afe_hosts_labels AS hl
            JOIN afe_shards_labels AS sl ON sl.label_id = hl.label_id
            WHERE hl.host_id = m.id AND sl.shard_id = us.id
        )
),
different AS (
    SELECT h.id, 'exists' AS field, 'yes' AS shard_value, 'no' AS master_value
    FROM here AS h
    WHERE NOT EXISTS (SELECT FROM there AS m WHERE m.id = h.id)
    UNION ALL
    SELECT m.id, 'exists', 'no', 'yes'
    FROM sendable AS m
    WHERE NOT EXISTS (SELECT FROM here AS h WHERE h.id = m.id)
    UNION ALL
    SELECT h.id, 'status', h.status, m.status
    FROM here AS h
    JOIN there AS m ON m.id = h.id
    WHERE @statuses::boolean AND m.status <> h.status
)
SELECT
    d.id::bigint AS id, d.field::text AS field,
    d.shard_value::text AS shard_value, d.master_value::text AS master_value
FROM different AS d
ORDER BY d.id, d.field;
