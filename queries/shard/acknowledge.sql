-- The upload ledger and the acknowledgement of what was sent (P1, P2).

-- Runs before a packet with an open entry leaves: until it is clearly answered, the master may
-- store it late, over a newer one (docs/promises.md, "late request"). Returns the jobs that are
-- marked; a job whose key another session has locked is not, and must stay out of the packet. A
-- clear answer to this packet decides the fate of the settleable ones, because no earlier packet of
-- this kind may still be on its way.
-- name: UploadMarkUnsure :many
WITH before AS (
    SELECT u.job_id
    FROM shard_client_uploads AS u
    WHERE u.job_id = ANY (@job_ids::bigint[])
        AND u.unsure_since >= now() - make_interval(secs => @rpc_timeout_seconds::double precision)
),
marked AS (
    INSERT INTO shard_client_uploads AS u (job_id, unsure_since)
    SELECT j.id, now()
    FROM afe_jobs AS j
    WHERE j.id = ANY (@job_ids::bigint[])
    ORDER BY j.id
    FOR KEY SHARE SKIP LOCKED
    ON CONFLICT (job_id) DO UPDATE
    SET unsure_since = excluded.unsure_since
    RETURNING u.job_id
)
SELECT m.job_id, NOT EXISTS (SELECT FROM before AS b WHERE b.job_id = m.job_id) AS settleable
FROM marked AS m;

-- After a clear answer the jobs that it settles are no longer unsure. After any other outcome, the
-- packet has left by now at the latest, so the time until it must be dead counts from now.
-- name: UploadSettle :execrows
UPDATE shard_client_uploads
SET unsure_since = CASE WHEN @clear::boolean THEN NULL ELSE now() END
WHERE job_id = ANY (@job_ids::bigint[]);

-- Locks the jobs that were sent, with their entries, and passes over what another session has
-- locked: one such row must not keep all others from being acknowledged. A job counts as locked by
-- us if we have all of its rows. The comparison follows in a statement of its own and sees whatever
-- the scheduler commits before these locks. Whatever it commits later is a new NULL, or a completion
-- that the ledger lacks.
-- name: AcknowledgeLock :many
WITH here AS MATERIALIZED (
    SELECT e.id, e.job_id
    FROM afe_host_queue_entries AS e
    WHERE e.id = ANY (@entry_ids::bigint[]) AND e.job_id = ANY (@job_ids::bigint[])
),
entries AS MATERIALIZED (
    SELECT e.id
    FROM afe_host_queue_entries AS e
    WHERE e.id = ANY (@entry_ids::bigint[]) AND e.job_id = ANY (@job_ids::bigint[])
    FOR UPDATE SKIP LOCKED
),
incomplete AS MATERIALIZED (
    SELECT h.job_id, min(h.id) AS entry_id
    FROM here AS h
    WHERE NOT EXISTS (SELECT FROM entries AS e WHERE e.id = h.id)
    GROUP BY h.job_id
),
jobs AS MATERIALIZED (
    SELECT j.id
    FROM afe_jobs AS j
    WHERE j.id = ANY (@job_ids::bigint[]) AND NOT j.id = ANY (ARRAY(SELECT i.job_id FROM incomplete AS i))
    FOR UPDATE SKIP LOCKED
)
SELECT
    j.id,
    (ours.id IS NOT NULL)::boolean AS ours,
    coalesce('afe_host_queue_entries ' || i.entry_id, 'afe_jobs ' || j.id)::text AS reason
FROM afe_jobs AS j
LEFT JOIN jobs AS ours ON ours.id = j.id
LEFT JOIN incomplete AS i ON i.job_id = j.id
WHERE j.id = ANY (@job_ids::bigint[])
ORDER BY j.id;

-- Sets shard_id of each job that was sent and is locked: to this shard's id if the job and its entries still read as they
-- were sent, to NULL ("upload me") if one of them changed or an entry was added. Returns how many
-- jobs and entries did not change. This shard's id is the one that the master gives it today: a
-- shard that was removed and added again has another. As long as no row of ours has come from the
-- master, nothing is acknowledged.
-- name: AcknowledgeJobs :one
WITH own AS (
    SELECT o.id
    FROM afe_shards AS o
    WHERE o.hostname = @shard_hostname::text
),
sent_jobs AS (
    SELECT s.id, s.digest
    FROM ROWS FROM (unnest(@job_ids::bigint[]), unnest(@job_digests::bytea[])) AS s (id, digest)
    WHERE s.id = ANY (@locked_job_ids::bigint[])
),
sent_entries AS (
    SELECT s.id, s.digest
    FROM ROWS FROM (unnest(@entry_ids::bigint[]), unnest(@entry_digests::bytea[])) AS s (id, digest)
),
entries AS (
    SELECT e.job_id, bool_or(e.digest IS DISTINCT FROM s.digest) AS changed, count(*) AS number
    FROM sent_jobs AS j
    JOIN shard_client_upload_entries AS e ON e.job_id = j.id
    LEFT JOIN sent_entries AS s ON s.id = e.id
    GROUP BY e.job_id
),
compared AS (
    SELECT
        s.id, coalesce(e.number, 0) AS entries,
        CASE WHEN j.digest = s.digest AND NOT coalesce(e.changed, false) THEN own.id END AS shard_id
    FROM own
    CROSS JOIN sent_jobs AS s
    JOIN shard_client_upload_jobs AS j ON j.id = s.id
    LEFT JOIN entries AS e ON e.job_id = s.id
),
marked AS (
    UPDATE afe_jobs AS j
    SET shard_id = c.shard_id
    FROM compared AS c
    WHERE j.id = c.id AND j.shard_id IS DISTINCT FROM c.shard_id
)
SELECT
    EXISTS (SELECT FROM own)::boolean AS known,
    count(*)::integer AS jobs,
    coalesce(sum(c.entries), 0)::integer AS entries
FROM compared AS c
WHERE c.shard_id IS NOT NULL;

-- Records which entries the master has now acknowledged as complete, for jobs whose packet held an
-- open entry and for jobs whose row must stay because an older request may still be on its way.
-- name: UploadRecordSent :execrows
WITH sent AS (
    SELECT e.job_id, array_agg(e.id ORDER BY e.id) AS complete_ids
    FROM shard_client_uploads AS u
    JOIN afe_host_queue_entries AS e ON e.job_id = u.job_id
    WHERE u.job_id = ANY (@job_ids::bigint[]) AND e.id = ANY (@complete_entry_ids::bigint[])
    GROUP BY e.job_id
)
UPDATE shard_client_uploads AS u
SET sent_complete = s.complete_ids
FROM sent AS s
WHERE u.job_id = s.job_id
    AND u.sent_complete IS DISTINCT FROM s.complete_ids;

-- A job whose packet held only complete entries no longer needs its row, unless an older request
-- may still be on its way: then the job is uploaded once more when that request must be dead.
-- name: UploadForgetSettled :execrows
DELETE FROM shard_client_uploads
WHERE job_id = ANY (@job_ids::bigint[])
    AND job_id = ANY (@locked_job_ids::bigint[])
    AND (
        unsure_since IS NULL
        OR unsure_since < now() - make_interval(secs => @dead_after_seconds::double precision)
    );
