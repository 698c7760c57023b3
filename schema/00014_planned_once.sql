-- What asks for the digest of a job's records was planned together with them: 2.5 ms, and again
-- whenever PostgreSQL has vacuumed or analysed the tables of jobs. And the lists of a packet are no
-- longer compressed: that took two thirds of the time to store them, and a list of digests cannot be.

-- +goose Up

-- What the packet says of a job and its entries, to notice that one of them has changed; NULL: there
-- is no such job. A function that reads tables is not inlined, so it is planned where it is called.
CREATE FUNCTION shard_client_upload_digest(of_job bigint) RETURNS bytea LANGUAGE sql STABLE
RETURN (
    SELECT pg_catalog.sha256(j.digest || coalesce(pg_catalog.string_agg(e.digest, ''::bytea ORDER BY e.id), ''::bytea))
    FROM shard_client_upload_jobs AS j
    LEFT JOIN shard_client_upload_entries AS e ON e.job_id = j.id
    WHERE j.id = of_job
    GROUP BY j.digest
);

ALTER TABLE shard_client_packets
    ALTER COLUMN job_ids SET STORAGE EXTERNAL,
    ALTER COLUMN digests SET STORAGE EXTERNAL;

-- +goose Down

ALTER TABLE shard_client_packets
    ALTER COLUMN job_ids SET STORAGE EXTENDED,
    ALTER COLUMN digests SET STORAGE EXTENDED;

DROP FUNCTION shard_client_upload_digest(bigint);
