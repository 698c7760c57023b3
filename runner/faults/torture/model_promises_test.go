package torture

import (
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"shardclient/runner/pgtest"
)

// auditSQL notes each change of a row, with the transaction, the program and the statement that
// made it. Of a job that is acknowledged it keeps the entries as they read then.
const auditSQL = `
	CREATE TABLE audit (
		n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transaction bigint, program text, statement text,
		operation text, of_table text, before jsonb, after jsonb, entries text
	);
	CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		was jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
		now_is jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
	BEGIN
		INSERT INTO audit (transaction, program, statement, operation, of_table, before, after, entries)
		SELECT txid_current(), current_setting('application_name'), substring(current_query() FROM '-- name: (\w+)'),
			TG_OP, TG_TABLE_NAME, was, now_is,
			CASE WHEN TG_TABLE_NAME = 'afe_jobs' THEN (` + entriesText + ` WHERE e.job_id = (now_is ->> 'id')::bigint) END;
		RETURN NULL;
	END $$;
	DO $$
	DECLARE name text;
	BEGIN
		FOR name IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'afe\_%'
			OR tablename IN ('shard_client_uploads', 'shard_client_heartbeats', 'shard_client_quarantine')
		LOOP
			EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit()', name);
		END LOOP;
	END $$;`

// entriesText is what of entries the master must have: active and complete it makes of the status
// itself.
const entriesText = `
	SELECT string_agg(
		concat_ws(' ', e.id, e.status, date_trunc('milliseconds', e.started_on), date_trunc('milliseconds', e.finished_on)), ', ' ORDER BY e.id
	)
	FROM afe_host_queue_entries AS e`

// Of an object all of this becomes visible at once (P4). The keyvals of a suite come with its jobs.
const (
	wholeJobs = `SELECT concat_ws('; ', j.id,
			(SELECT string_agg(e.id::text, ',' ORDER BY e.id) FROM afe_host_queue_entries AS e WHERE e.job_id = j.id),
			(SELECT string_agg(l.name, ',' ORDER BY l.name) FROM afe_jobs_dependency_labels AS d JOIN afe_labels AS l ON l.id = d.label_id WHERE d.job_id = j.id),
			(SELECT string_agg(k.key || '=' || k.value, ',' ORDER BY k.key, k.value) FROM afe_job_keyvals AS k WHERE k.job_id = j.id),
			(
				SELECT string_agg(p.key || '=' || p.value, ',' ORDER BY p.key, p.value)
				FROM afe_job_keyvals AS k
				JOIN afe_job_keyvals AS p ON p.job_id = k.value::bigint
				WHERE k.job_id = j.id AND k.key = 'parent_job_id'
			))
		FROM afe_jobs AS j
		WHERE j.id = ANY ($1) AND j.id <> $2
		ORDER BY j.id`

	jobsInPieces = `
		SELECT j.after -> 'id' AS job FROM audit AS j
		WHERE j.program LIKE 'client %' AND j.operation = 'INSERT' AND j.of_table = 'afe_jobs' AND (
			(SELECT count(*) FROM afe_host_queue_entries AS e WHERE e.job_id = (j.after ->> 'id')::bigint) <> (
				SELECT count(*) FROM audit AS e
				WHERE e.transaction = j.transaction AND e.operation = 'INSERT' AND e.of_table = 'afe_host_queue_entries'
					AND e.after -> 'job_id' = j.after -> 'id'
			)
			OR NOT EXISTS (
				SELECT FROM audit AS k
				WHERE k.transaction = j.transaction AND k.of_table = 'afe_job_keyvals' AND k.after -> 'job_id' = j.after -> 'id'
			)
		)`

	// The keyvals of a suite, which may have come with another of its jobs, are here before the job
	// is.
	suiteJobsTooEarly = `
		SELECT j.after -> 'id' AS job FROM audit AS j
		JOIN audit AS p ON p.transaction = j.transaction AND p.of_table = 'afe_job_keyvals'
			AND p.after -> 'job_id' = j.after -> 'id' AND p.after ->> 'key' = 'parent_job_id'
		JOIN audit AS k ON k.of_table = 'afe_job_keyvals' AND k.after ->> 'job_id' = p.after ->> 'value' AND k.n > j.n
		WHERE j.program LIKE 'client %' AND j.operation = 'INSERT' AND j.of_table = 'afe_jobs'`

	hostsInPieces = `
		SELECT h.id FROM afe_hosts AS h
		WHERE NOT h.invalid AND (
			NOT EXISTS (SELECT FROM afe_hosts_labels AS l WHERE l.host_id = h.id)
			OR NOT EXISTS (SELECT FROM afe_host_attributes AS a WHERE a.host_id = h.id)
			OR NOT EXISTS (SELECT FROM afe_acl_groups_hosts AS g WHERE g.host_id = h.id)
		)
		UNION ALL
		SELECT (h.after ->> 'id')::bigint FROM audit AS h
		WHERE h.program LIKE 'client %' AND h.of_table = 'afe_hosts' AND NOT (h.after ->> 'invalid')::boolean
			AND (h.before IS NULL OR (h.before ->> 'invalid')::boolean)
			AND NOT EXISTS (
				SELECT FROM audit AS l
				WHERE l.transaction = h.transaction AND l.of_table = 'afe_hosts_labels' AND l.after -> 'host_id' = h.after -> 'id'
			)`
)

// forbidden are the client's changes that P5 does not allow.
const forbidden = `
	SELECT a.statement, a.of_table, a.before, a.after FROM audit AS a
	WHERE a.program LIKE 'client %' AND a.of_table LIKE 'afe\_%' AND (
		a.operation = 'UPDATE' AND EXISTS (
			SELECT FROM jsonb_each(a.after) AS c
			WHERE a.before -> c.key IS DISTINCT FROM c.value AND a.of_table || '.' || c.key NOT IN (
				'afe_hosts.invalid', 'afe_hosts.shard_id', 'afe_jobs.shard_id', 'afe_host_queue_entries.aborted',
				'afe_host_queue_entries.meta_host', 'afe_job_keyvals.value', 'afe_host_attributes.value'
			)
		)
		OR a.operation = 'UPDATE' AND a.of_table = 'afe_jobs' AND a.before ->> 'shard_id' IS NULL AND a.statement <> 'AcknowledgeJobs'
		OR a.operation = 'DELETE' AND a.of_table NOT IN (
			'afe_hosts_labels', 'afe_acl_groups_hosts', 'afe_host_attributes', 'afe_job_keyvals'
		)
	)`

// check is what holds after every step.
func (w *world) check(*rapid.T) {
	w.t.Helper()
	for _, s := range w.stations {
		w.checkShard(s)
	}
}

func (w *world) checkShard(s *station) {
	w.t.Helper()
	w.none(s, "P4: a job, its entries and its keyvals are stored in one transaction", jobsInPieces)
	w.none(s, "P4: the keyvals of a suite are here before its jobs", suiteJobsTooEarly)
	w.none(s, "P4: a host that is valid has what belongs to it", hostsInPieces)
	w.none(s, "P5: the client writes only what is the master's", forbidden)
	w.wholeJobs(s)
	w.acknowledged(s)
	pgtest.Exec(w.t, s.Shard.DB, "DELETE FROM audit")
}

// wholeJobs compares the jobs of a shard, but one whose entry is deleted on the master, with the
// master's.
func (w *world) wholeJobs(s *station) {
	w.t.Helper()
	var here []int64
	w.must("jobs", s.DB.QueryRow(w.t.Context(), "SELECT coalesce(array_agg(id), '{}') FROM afe_jobs").Scan(&here))
	var torn int64
	if w.refused != "" {
		w.must("refused", w.lab.Master.QueryRow(w.t.Context(), "SELECT ($1::jsonb ->> 'job_id')::bigint", w.refused).Scan(&torn))
	}
	if diff := cmp.Diff(w.column(w.lab.Master, wholeJobs, here, torn), w.column(s.DB, wholeJobs, here, torn)); diff != "" {
		w.t.Fatalf("%s: P4: jobs, with entries, labels, keyvals and the keyvals of their suites (-master +shard):\n%s", s.Hostname, diff)
	}
}

// acknowledged compares what was just acknowledged, as it read then, with what the master has
// stored (P1, P2).
func (w *world) acknowledged(s *station) {
	w.t.Helper()
	rows, err := s.DB.Query(w.t.Context(), `SELECT (after ->> 'id')::bigint, coalesce(entries, '') FROM audit
		WHERE statement = 'AcknowledgeJobs' AND of_table = 'afe_jobs' AND after ->> 'shard_id' IS NOT NULL ORDER BY n`)
	w.must("acknowledged", err)
	here := map[int64]string{}
	for rows.Next() {
		var id int64
		var entries string
		w.must("acknowledged", rows.Scan(&id, &entries))
		here[id] = entries
	}
	w.must("acknowledged", rows.Err())
	for id, entries := range here {
		var there string
		w.must("acknowledged", w.lab.Master.QueryRow(w.t.Context(), entriesText+" WHERE e.job_id = $1", id).Scan(&there))
		if diff := cmp.Diff(there, entries); diff != "" {
			w.t.Fatalf("%s: P2: job %d is acknowledged, and the master has stored something else (-master +shard):\n%s", s.Hostname, id, diff)
		}
	}
}
