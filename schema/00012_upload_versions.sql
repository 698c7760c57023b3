-- What says at a glance that a job and its entries are as they were read: the transaction that wrote
-- each of these rows last. Acknowledge makes the records anew only of those jobs where it differs
-- (docs/decisions/0057-unchanged-rows-are-not-read-twice.md).

-- +goose Up

CREATE VIEW shard_client_upload_versions AS
SELECT j.id, e.entries, (j.xmin::text || e.versions)::text AS version
FROM afe_jobs AS j
CROSS JOIN LATERAL (
    SELECT
        count(*)::integer AS entries,
        coalesce(string_agg((' ' || e.id::text || ':' || e.xmin::text), '' ORDER BY e.id), '') AS versions
    FROM afe_host_queue_entries AS e
    WHERE e.job_id = j.id
) AS e;

-- +goose Down

DROP VIEW shard_client_upload_versions;
