-- The upload ledger, the packets that may still arrive, and the acknowledgement of what was sent
-- (P1, P2).

-- Runs before a packet with jobs leaves: until it is clearly answered, the master may store it
-- late, over a newer one (docs/promises.md, "late request"). It travels together with the fence, so
-- it asks whether that has let this client pass.
-- name: UploadLeave :one
WITH dead AS (
    DELETE FROM shard_client_packets
    WHERE pg_catalog.current_setting('shard_client.fenced', true) = 'on'
        AND unsure_since < pg_catalog.now() - pg_catalog.make_interval(secs => @rpc_timeout_seconds::double precision)
)
INSERT INTO shard_client_packets (job_ids, digests)
SELECT @job_ids::bigint[], @digests::bigint[]
WHERE pg_catalog.current_setting('shard_client.fenced', true) = 'on'
RETURNING id;

-- After a packet that acknowledges nothing: if its answer was clear, no copy of it is on its way.
-- If not, the last copy has left by now at the latest, so the time until it must be dead counts
-- from now.
-- name: UploadSettle :execrows
WITH gone AS (
    DELETE FROM shard_client_packets WHERE id = @id::bigint AND @clear::boolean
)
UPDATE shard_client_packets
SET unsure_since = pg_catalog.now()
WHERE id = @id::bigint AND NOT @clear::boolean;

-- Locks the jobs that were sent, which come by their ids, and passes over what another session has
-- locked: one such row must not keep all others from being acknowledged. Returns each of them, in
-- the same order. A job is untouched if nobody has written its row since it was read. Each row is
-- looked up by its key, one by one: of two lists, however long, none is compared with the other. A
-- row that cannot be locked is looked up once more, because it may be gone.
-- name: AcknowledgeLock :many
SELECT
    (ours.id IS NOT NULL)::boolean AS ours,
    (here.id IS NOT NULL)::boolean AS in_the_way,
    coalesce(ours.version = s.version, false)::boolean AS untouched
FROM ROWS FROM (pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@job_versions::bigint[])) AS s (id, version)
LEFT JOIN LATERAL (
    SELECT j.id, j.xmin::text::bigint AS version FROM afe_jobs AS j WHERE j.id = s.id FOR UPDATE SKIP LOCKED
) AS ours ON true
LEFT JOIN LATERAL (SELECT j.id FROM afe_jobs AS j WHERE ours.id IS NULL AND j.id = s.id OFFSET 0) AS here ON true
ORDER BY s.id;

-- The entries of jobs that are locked. They need no locks of their own as long as nobody writes
-- them: an entry is free if no session has ever locked or overwritten this version of it. So what
-- another session has written is seen here, or that it has not committed yet; what it writes after
-- this statement might as well come after the acknowledgment. Then it is a new NULL, or a
-- completion that the ledger lacks. No entry can be added to a job that is locked. Where a trigger
-- of the site runs when a job is written, no entry is free: the trigger may write it.
-- name: AcknowledgeEntries :many
SELECT
    e.job_id, e.id, e.xmin::text::bigint AS version,
    (
        e.xmax = '0'::xid
        AND NOT EXISTS (
            SELECT FROM pg_catalog.pg_trigger AS t
            WHERE t.tgrelid = 'afe_jobs'::regclass
                AND NOT t.tgisinternal
                AND t.tgenabled IN ('O', 'A')
                AND t.tgtype & 16::smallint <> 0
                AND NOT pg_catalog.starts_with(t.tgname::text, 'shard_client_')
        )
    )::boolean AS free
FROM afe_host_queue_entries AS e
WHERE e.job_id = ANY (@job_ids::bigint[])
ORDER BY e.job_id, e.id;

-- Locks the entries of those jobs in which one was written or may be, and returns the jobs of which
-- another session has locked one. The comparison follows in a statement of its own and sees
-- whatever the scheduler commits before these locks.
-- name: AcknowledgeLockEntries :many
SELECT here.job_id, pg_catalog.min(here.id)::bigint AS entry_id
FROM afe_host_queue_entries AS here
LEFT JOIN LATERAL (
    SELECT e.id FROM afe_host_queue_entries AS e WHERE e.id = here.id FOR UPDATE SKIP LOCKED
) AS ours ON true
WHERE here.job_id = ANY (@job_ids::bigint[]) AND ours.id IS NULL
GROUP BY here.job_id;

-- Sets shard_id of each locked job: to this shard's id if the job and its entries still read as
-- they were sent, to NULL ("upload me") if one of them changed. Returns whether this shard has an
-- id: it is the one that the master gives it today, so a shard that was removed and added again has
-- another. A master on MariaDB knows the shard under any spelling in upper or lower case, and any
-- master by its id, but calls it by its own spelling. As long as no row of ours has come from the
-- master, nothing is acknowledged. The jobs are looked up by a list, and what changed is nearly
-- always none of them: two lists side by side were joined with all of the table's keys. IS TRUE: as
-- in UploadRemember.
-- name: AcknowledgeJobs :one
WITH own AS (
    SELECT o.id
    FROM (
        SELECT s.id, s.hostname = @shard_hostname::text AS exact, pg_catalog.count(*) OVER () AS alike
        FROM afe_shards AS s
        WHERE pg_catalog.lower(pg_catalog.rtrim(s.hostname, '. ')) = pg_catalog.lower(pg_catalog.rtrim(@shard_hostname::text, '. '))
            OR s.id::text = @shard_hostname::text
    ) AS o
    WHERE o.exact OR o.alike = 1
),
marked AS (
    UPDATE afe_jobs AS j
    SET shard_id = CASE WHEN (j.id IN (SELECT s.id FROM pg_catalog.unnest(@changed_ids::bigint[]) AS s (id))) IS TRUE THEN NULL ELSE own.id END
    FROM own
    WHERE j.id = ANY (@job_ids::bigint[])
        AND j.shard_id IS DISTINCT FROM
        CASE WHEN (j.id IN (SELECT s.id FROM pg_catalog.unnest(@changed_ids::bigint[]) AS s (id))) IS TRUE THEN NULL ELSE own.id END
)
SELECT EXISTS (SELECT FROM own)::boolean AS known;

-- The names of shards that have come from the master, this shard's own first. Which one is that is
-- decided as in AcknowledgeJobs.
-- name: ShardNames :many
SELECT o.hostname, (o.exact OR o.alike AND pg_catalog.count(*) FILTER (WHERE o.alike) OVER () = 1)::boolean AS own
FROM (
    SELECT
        s.hostname, s.hostname = @shard_hostname::text AS exact,
        pg_catalog.lower(pg_catalog.rtrim(s.hostname, '. ')) = pg_catalog.lower(pg_catalog.rtrim(@shard_hostname::text, '. '))
            OR s.id::text = @shard_hostname::text AS alike
    FROM afe_shards AS s
) AS o
ORDER BY own DESC, o.hostname
LIMIT 5;

-- In this transaction, shard_id is set by this client: see the trigger on afe_jobs.
-- name: AcknowledgeBegin :exec
SELECT pg_catalog.set_config('shard_client.acknowledges', 'on', true);

-- Updates the ledger after the master has stored a packet. A job keeps a row if it was sent with an
-- open entry, or if an older packet that says something else about it may still arrive: one that
-- was not yet dead when this packet left. That it is dead when the answer comes is not enough,
-- because it could have been stored over this one meanwhile. Such a job is uploaded once more when
-- the older packet must be dead. Returns how many of the jobs another client had acknowledged.
-- name: UploadRemember :one
WITH sent AS (
    SELECT s.id, s.digest
    FROM ROWS FROM (pg_catalog.unnest(@job_ids::bigint[]), pg_catalog.unnest(@digests::bigint[])) AS s (id, digest)
),
late AS (
    SELECT s.id AS job_id, pg_catalog.max(p.unsure_since) AS unsure_since
    FROM shard_client_packets AS own
    JOIN shard_client_packets AS p
        ON p.id <> own.id
        AND p.unsure_since >= own.unsure_since - pg_catalog.make_interval(secs => @rpc_timeout_seconds::double precision)
    CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(p.job_ids), pg_catalog.unnest(p.digests)) AS o (id, digest)
    JOIN sent AS s ON s.id = o.id AND s.digest <> o.digest
    WHERE own.id = @packet_id::bigint
    GROUP BY s.id
),
wanted AS (
    SELECT w.job_id, pg_catalog.max(w.unsure_since) AS unsure_since
    FROM (
        SELECT o.job_id, NULL::timestamptz AS unsure_since
        FROM pg_catalog.unnest(@open_job_ids::bigint[]) AS o (job_id)
        UNION ALL
        SELECT l.job_id, l.unsure_since FROM late AS l
    ) AS w
    GROUP BY w.job_id
),
-- IS TRUE: so the list of entries is hashed, whatever its length is thought to be.
kept AS MATERIALIZED (
    SELECT j.id AS job_id, c.entry_ids, w.unsure_since
    FROM wanted AS w
    CROSS JOIN LATERAL (SELECT j.id FROM afe_jobs AS j WHERE j.id = w.job_id OFFSET 0) AS j
    CROSS JOIN LATERAL (
        SELECT coalesce(pg_catalog.array_agg(e.id ORDER BY e.id), '{}') AS entry_ids
        FROM afe_host_queue_entries AS e
        WHERE e.job_id = j.id
            AND (e.id IN (SELECT s.id FROM pg_catalog.unnest(@complete_entry_ids::bigint[]) AS s (id))) IS TRUE
    ) AS c
),
remembered AS (
    INSERT INTO shard_client_uploads AS u (job_id, sent_complete, unsure_since)
    SELECT k.job_id, k.entry_ids, k.unsure_since
    FROM kept AS k
    ORDER BY k.job_id
    ON CONFLICT (job_id) DO UPDATE
    SET sent_complete = excluded.sent_complete, unsure_since = excluded.unsure_since, other_client = false
),
settled AS (
    DELETE FROM shard_client_uploads AS u
    WHERE u.job_id = ANY (@job_ids::bigint[]) AND NOT EXISTS (SELECT FROM kept AS k WHERE k.job_id = u.job_id)
)
SELECT pg_catalog.count(*)::integer AS of_another_client
FROM shard_client_uploads AS u
WHERE u.job_id = ANY (@job_ids::bigint[]) AND u.other_client;

-- Notes that the master has answered a packet; sure says that no other copy of it is on its way.
-- Returns the jobs about which the master has now answered the same for the third time, or more
-- often, within its last five answers: they are uploaded without progress. For the jobs that are
-- left because another session has locked them, counting begins anew.
-- name: UploadAnswered :many
WITH recent AS (
    SELECT p.id, p.job_ids, p.digests, p.repeats
    FROM shard_client_packets AS p
    WHERE p.answered
    ORDER BY p.id DESC
    LIMIT 4
),
forgotten AS (
    DELETE FROM shard_client_packets
    WHERE answered AND unsure_since IS NULL AND id NOT IN (SELECT r.id FROM recent AS r)
),
sent AS (
    SELECT o.id, o.digest, o.place
    FROM shard_client_packets AS p
    CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(p.job_ids), pg_catalog.unnest(p.digests)) WITH ORDINALITY AS o (id, digest, place)
    WHERE p.id = @id::bigint
),
before AS (
    SELECT s.id, pg_catalog.max(o.repeats) AS repeats
    FROM recent AS r
    CROSS JOIN LATERAL ROWS FROM (pg_catalog.unnest(r.job_ids), pg_catalog.unnest(r.digests), pg_catalog.unnest(r.repeats)) AS o (id, digest, repeats)
    JOIN sent AS s ON s.id = o.id AND s.digest = o.digest
    GROUP BY s.id
),
own AS (
    SELECT s.id, s.place, CASE WHEN s.id = ANY (@left_job_ids::bigint[]) THEN 0 ELSE coalesce(b.repeats + 1, 0) END AS repeats
    FROM sent AS s
    LEFT JOIN before AS b ON b.id = s.id
),
noted AS (
    UPDATE shard_client_packets
    SET
        answered = true,
        unsure_since = CASE WHEN @sure::boolean THEN NULL ELSE pg_catalog.now() END,
        repeats = coalesce((SELECT pg_catalog.array_agg(o.repeats ORDER BY o.place) FROM own AS o), '{}')
    WHERE id = @id::bigint
)
SELECT o.id::bigint AS job_id
FROM own AS o
WHERE o.repeats >= 2
ORDER BY o.id;
