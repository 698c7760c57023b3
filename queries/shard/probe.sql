-- The search for the guilty record of a refused packet (P6). The packet is split over several beats
-- until the guilty record is alone. The state of the search is in shard_client_suspects, because
-- each beat may come from another process.

-- Says what the next packet may hold. The modes, in order of precedence:
--   bare     nothing: a sick master refuses that, too. As long as it does, nothing else is sent but
--            a whole packet after every ten empty ones, in case that it is these which it refuses
--   half     half of the suspects, and the hosts that have passed since
--   without  everything but the named and guilty records, which are set aside only if that passes
--   retry    a job that was too much by itself, or a record that has been set aside for long
--            enough, after a beat that passed
--   all      everything but what is set aside, and but the jobs that were too much by themselves
-- With only_jobs and only_hosts, job_ids and host_ids are the records that may go, otherwise those
-- that may not. The batch is how much the packet may hold, as the last beat left it; 0: nothing is
-- remembered.
--
-- A record that was set aside rests a minute before a change of it is a reason to try it again: a
-- job that changes all the time would otherwise fail every other beat. That is no parameter,
-- because a statement without parameters is planned once. It reads no table of jobs itself, either:
-- what PostgreSQL vacuums or analyses is planned anew.
-- name: ProbePlan :one
WITH suspects AS (
    SELECT
        s.kind, s.object_id, s.state,
        -- Jobs first, so that they have arrived early if all of it passes.
        pg_catalog.row_number() OVER (PARTITION BY s.state ORDER BY s.kind DESC, s.object_id) AS place,
        pg_catalog.count(*) OVER (PARTITION BY s.state) AS peers
    FROM shard_client_suspects AS s
),
rested AS (
    SELECT q.kind, q.object_id, q.retry_at, q.id
    FROM shard_client_quarantine AS q
    WHERE q.direction = 'out'
        AND (
            q.retry_at <= pg_catalog.now()
            -- What PostgreSQL does not let go cannot be read here, either.
            OR q.code NOT IN ('too_slow', 'database')
                AND q.last_seen <= pg_catalog.now() - interval '1 minute'
                AND q.kind = 'job'
                AND q.tried_digest IS DISTINCT FROM shard_client_upload_digest(q.object_id)
        )
),
due AS (
    SELECT d.kind, d.object_id
    FROM (
        SELECT s.kind, s.object_id, timestamptz '-infinity' AS retry_at, s.object_id AS id
        FROM suspects AS s
        WHERE s.state = 'heavy'
        UNION ALL
        SELECT r.kind, r.object_id, r.retry_at, r.id
        FROM rested AS r
    ) AS d
    WHERE coalesce((SELECT h.outcome = 'ok' FROM shard_client_heartbeats AS h ORDER BY h.id DESC LIMIT 1), true)
    ORDER BY d.retry_at, d.id
    LIMIT 1
),
last_beats AS (
    SELECT
        coalesce((pg_catalog.array_agg(h.failure ORDER BY h.id DESC))[1] = 'refuses_all', false) AS refuses_all,
        pg_catalog.count(*) FILTER (WHERE h.failure = 'refuses_all') AS vain
    FROM (SELECT b.id, b.failure FROM shard_client_heartbeats AS b ORDER BY b.id DESC LIMIT 10) AS h
),
turn AS (
    SELECT CASE
        WHEN EXISTS (SELECT FROM suspects AS s WHERE s.state = 'unproven') THEN 'bare'
        WHEN l.refuses_all AND l.vain < 10 THEN 'bare'
        WHEN EXISTS (SELECT FROM suspects AS s WHERE s.state = 'suspect') THEN 'half'
        WHEN EXISTS (SELECT FROM suspects AS s WHERE s.state IN ('named', 'guilty')) THEN 'without'
        WHEN EXISTS (SELECT FROM due) THEN 'retry'
        ELSE 'all'
    END AS mode
    FROM last_beats AS l
),
listed AS (
    SELECT q.kind, q.object_id
    FROM shard_client_quarantine AS q
    CROSS JOIN turn AS t
    WHERE q.direction = 'out'
        AND (
            t.mode IN ('all', 'without')
            OR t.mode = 'retry' AND q.kind = 'host' AND (q.kind, q.object_id) NOT IN (SELECT d.kind, d.object_id FROM due AS d)
        )
    UNION
    SELECT d.kind, d.object_id
    FROM due AS d
    CROSS JOIN turn AS t
    WHERE t.mode = 'retry' AND d.kind = 'job'
    UNION
    SELECT s.kind, s.object_id
    FROM suspects AS s
    CROSS JOIN turn AS t
    WHERE t.mode = 'without' AND s.state IN ('named', 'guilty', 'heavy')
        OR t.mode = 'all' AND s.state = 'heavy'
        OR t.mode = 'half' AND (s.state = 'cleared' OR s.state = 'suspect' AND s.place <= (s.peers + 1) / 2)
)
SELECT
    t.mode::text AS mode,
    (t.mode IN ('bare', 'half', 'retry'))::boolean AS only_jobs,
    (t.mode IN ('bare', 'half'))::boolean AS only_hosts,
    ARRAY(SELECT l.object_id FROM listed AS l WHERE l.kind = 'job' ORDER BY l.object_id)::bigint[] AS job_ids,
    ARRAY(SELECT l.object_id FROM listed AS l WHERE l.kind = 'host' ORDER BY l.object_id)::bigint[] AS host_ids,
    coalesce((SELECT d.kind FROM due AS d WHERE t.mode = 'retry'), '')::text AS due_kind,
    coalesce((SELECT d.object_id FROM due AS d WHERE t.mode = 'retry'), 0)::bigint AS due_id,
    (SELECT pg_catalog.count(*) FROM suspects AS s WHERE s.state = 'heavy')::bigint AS heavy,
    coalesce(b.batch_jobs, 0)::bigint AS batch_jobs,
    coalesce(b.batch_bytes, 0)::bigint AS batch_bytes
FROM turn AS t
LEFT JOIN (
    SELECT h.batch_jobs, h.batch_bytes
    FROM shard_client_heartbeats AS h
    WHERE h.batch_jobs > 0
    ORDER BY h.id DESC
    LIMIT 1
) AS b ON true;

-- Begins a search with the records of a refused packet, and with those that the master's message
-- named wrongly.
-- name: ProbeBegin :execrows
WITH named AS (
    UPDATE shard_client_suspects
    SET state = 'unproven', reason = ''
    WHERE state = 'named'
)
INSERT INTO shard_client_suspects (kind, object_id, state)
SELECT s.kind, s.id, 'unproven'
FROM ROWS FROM (pg_catalog.unnest(@kinds::text[]), pg_catalog.unnest(@ids::bigint[])) AS s (kind, id)
ORDER BY s.kind, s.id
ON CONFLICT (kind, object_id) DO UPDATE
SET state = 'unproven', reason = '';

-- Notes why the next packet goes without a record: it is named or guilty.
-- name: ProbeName :execrows
INSERT INTO shard_client_suspects (kind, object_id, state, reason)
VALUES (@kind::text, @id::bigint, @state::text, @reason::text)
ON CONFLICT (kind, object_id) DO UPDATE
SET state = excluded.state, reason = excluded.reason;

-- Notes that a job was too much for the master by itself. When several were, the master could not
-- cope with anything, so those before are free to go again.
-- name: ProbeHeavy :execrows
WITH too_many AS (
    DELETE FROM shard_client_suspects
    WHERE state = 'heavy'
        AND (SELECT pg_catalog.count(*) FROM shard_client_suspects AS s WHERE s.state = 'heavy') >= @most::bigint
)
INSERT INTO shard_client_suspects (kind, object_id, state, reason)
VALUES ('job', @id::bigint, 'heavy', @reason::text)
ON CONFLICT (kind, object_id) DO UPDATE
SET state = 'heavy', reason = excluded.reason;

-- Drops the suspicion that a job is too much by itself; id 0: of all jobs.
-- name: ProbeLighten :execrows
DELETE FROM shard_client_suspects
WHERE state = 'heavy' AND @id::bigint IN (0, object_id);

-- The empty packet passed: the fault is in the records.
-- name: ProbeProve :execrows
UPDATE shard_client_suspects
SET state = 'suspect'
WHERE state = 'unproven';

-- Clears what has passed, and what was planned for the packet but can no longer be sent: a job that
-- is no longer waiting, a host that is no longer valid. If no job waits, the array is a NULL.
-- name: ProbeClear :execrows
UPDATE shard_client_suspects AS here
SET state = 'cleared'
WHERE here.state = 'suspect'
    AND (
        (here.kind, here.object_id) IN (
            SELECT s.kind, s.id
            FROM ROWS FROM (pg_catalog.unnest(@kinds::text[]), pg_catalog.unnest(@ids::bigint[])) AS s (kind, id)
        )
        OR here.kind = 'host' AND here.object_id = ANY (@planned_hosts::bigint[])
        OR here.kind = 'job'
            AND here.object_id = ANY (@planned_jobs::bigint[])
            AND NOT here.object_id = ANY (coalesce(@waiting_jobs::bigint[], '{}'))
    );

-- The packet with these records was refused, so the other suspects are held back for now. Returns
-- the suspects that are left.
-- name: ProbeNarrow :many
WITH sent AS (
    SELECT s.kind, s.id
    FROM ROWS FROM (pg_catalog.unnest(@kinds::text[]), pg_catalog.unnest(@ids::bigint[])) AS s (kind, id)
),
held AS (
    UPDATE shard_client_suspects AS here
    SET state = 'held'
    WHERE here.state = 'suspect'
        AND NOT EXISTS (SELECT FROM sent AS s WHERE s.kind = here.kind AND s.id = here.object_id)
)
SELECT here.kind, here.object_id
FROM shard_client_suspects AS here
JOIN sent AS s ON s.kind = here.kind AND s.id = here.object_id
WHERE here.state = 'suspect'
ORDER BY here.kind, here.object_id;

-- Finds the record that the master's message names, if it was in the packet. An entry stands for
-- its job.
-- name: ProbeResolve :many
SELECT 'job'::text AS kind, e.job_id::bigint AS id
FROM afe_host_queue_entries AS e
WHERE @kind::text = 'entry' AND e.id = @id::bigint AND e.job_id = ANY (@job_ids::bigint[])
UNION
SELECT 'job'::text, j.id
FROM pg_catalog.unnest(@job_ids::bigint[]) AS j (id)
WHERE @kind::text = 'job' AND j.id = @id::bigint
UNION
SELECT 'host'::text, h.id
FROM afe_hosts AS h
WHERE @kind::text = 'host'
    AND h.id = ANY (@host_ids::bigint[])
    AND (h.id = @id::bigint OR h.hostname = @hostname::text);

-- The records that are to be set aside when a packet without them has passed.
-- name: ProbeNamed :many
SELECT kind, object_id, reason
FROM shard_client_suspects
WHERE state IN ('named', 'guilty')
ORDER BY kind, object_id;

-- Counts the records that are still under suspicion.
-- name: ProbeLeft :one
SELECT pg_catalog.count(*)::bigint
FROM shard_client_suspects
WHERE state NOT IN ('held', 'cleared', 'heavy');

-- Ends the search: nothing is left to look for, or nothing is proven.
-- name: ProbeEnd :execrows
DELETE FROM shard_client_suspects
WHERE state <> 'heavy';

-- The guilty record is found, so all others are beyond suspicion. With none guilty this ends the
-- search.
-- name: ProbeRelease :execrows
DELETE FROM shard_client_suspects
WHERE state NOT IN ('guilty', 'heavy');

-- Sets records aside as they read now, with a digest, so that a later change is noticed. Each time
-- a record is refused again, its pause doubles.
-- name: QuarantineRefused :execrows
INSERT INTO shard_client_quarantine AS q (
    direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest, tried_digest, retry_at
)
SELECT
    'out', s.kind, s.id, 'refused', s.reason, pg_catalog.substr(r.payload, 1, @max_payload::integer), pg_catalog.octet_length(r.payload),
    pg_catalog.sha256(r.payload), r.digest, pg_catalog.now() + pg_catalog.make_interval(secs => @first_seconds::double precision)
FROM ROWS FROM (pg_catalog.unnest(@kinds::text[]), pg_catalog.unnest(@ids::bigint[]), pg_catalog.unnest(@reasons::text[])) AS s (kind, id, reason)
CROSS JOIN LATERAL (
    SELECT
        pg_catalog.convert_to(coalesce(
            (SELECT j.record FROM shard_client_upload_jobs AS j WHERE s.kind = 'job' AND j.id = s.id),
            (
                SELECT pg_catalog.jsonb_build_object('id', h.id, 'hostname', h.hostname, 'status', h.status)::text
                FROM afe_hosts AS h
                WHERE s.kind = 'host' AND h.id = s.id
            ),
            ''
        ), 'UTF8') AS payload,
        CASE WHEN s.kind = 'job' THEN shard_client_upload_digest(s.id) END AS digest
) AS r
ORDER BY s.kind, s.id
ON CONFLICT (direction, kind, object_id) WHERE object_id IS NOT NULL DO UPDATE
SET
    code = excluded.code, reason = excluded.reason, payload = excluded.payload, payload_bytes = excluded.payload_bytes,
    payload_digest = excluded.payload_digest, tried_digest = excluded.tried_digest,
    occurrences = q.occurrences + 1, last_seen = pg_catalog.now(),
    retry_at = pg_catalog.now() + least(
        (excluded.retry_at - pg_catalog.now()) * pg_catalog.power(2, least(q.occurrences, 30)),
        pg_catalog.make_interval(secs => @last_seconds::double precision)
    );
