package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/gen/labdb"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/pgtest"
	"shardclient/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

// auditSQL notes each change of a row of the AFE's tables, with the transaction and the program
// that made it.
const auditSQL = `
	CREATE TABLE audit (
		n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, transaction bigint, program text,
		operation text, of_table text, id bigint, changed jsonb
	);
	CREATE FUNCTION audit() RETURNS trigger LANGUAGE plpgsql AS $$
	DECLARE
		before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END;
		after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END;
	BEGIN
		INSERT INTO audit (transaction, program, operation, of_table, id, changed)
		SELECT txid_current(), current_setting('application_name'), TG_OP, TG_TABLE_NAME,
			(coalesce(after, before) ->> 'id')::bigint,
			(SELECT jsonb_object_agg(a.key, a.value) FROM jsonb_each(after) AS a WHERE before -> a.key IS DISTINCT FROM a.value);
		RETURN NULL;
	END $$;
	DO $$
	DECLARE name text;
	BEGIN
		FOR name IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'afe\_%' LOOP
			EXECUTE format('CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON %I FOR EACH ROW EXECUTE FUNCTION audit()', name);
		END LOOP;
	END $$;`

// desk is a database with a scheduler of its own.
type desk struct {
	t         testing.TB
	pool      *pgxpool.Pool // the test's
	schedules *pgxpool.Pool // the scheduler's
	clock     time.Time
}

// newDesk makes a database whose changes are noted from now on, after `sql` has filled it.
func newDesk(t testing.TB, sql string) *desk {
	t.Helper()
	url := pgtest.Database(t)
	d := &desk{t: t, clock: time.Date(2026, 3, 15, 10, 0, 0, 0, time.UTC)}
	d.pool, d.schedules = open(t, url, "test"), open(t, url, "scheduler")
	pgtest.Exec(d.t, d.pool, sql)
	pgtest.Exec(d.t, d.pool, auditSQL)
	return d
}

// newRealDesk is newDesk with the tables of a real scheduler.
func newRealDesk(t testing.TB, sql string) *desk {
	t.Helper()
	d := newDesk(t, sql)
	if _, err := schema.Scheduler.UpTelling(t.Context(), d.pool.Config().ConnString(), nil); err != nil {
		t.Fatal(err)
	}
	return d
}

// refill does what a new desk would, in a fraction of the time.
func (d *desk) refill(sql string) {
	d.t.Helper()
	pgtest.Exec(d.t, d.pool, `
		SET session_replication_role = replica;
		DO $$
		DECLARE name text;
		BEGIN
			FOR name IN SELECT tablename FROM pg_tables WHERE tablename LIKE 'afe\_%' LOOP
				EXECUTE format('DELETE FROM %I', name);
			END LOOP;
		END $$;
		RESET session_replication_role;`+sql+"; DELETE FROM audit")
}

func open(t testing.TB, url, program string) *pgxpool.Pool {
	t.Helper()
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.ConnConfig.RuntimeParams["application_name"] = program
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// now goes on by a second each time it is asked.
func (d *desk) now() time.Time {
	d.clock = d.clock.Add(time.Second)
	return d.clock
}

func (d *desk) scheduler(o scheduler.Options) *scheduler.Scheduler {
	o.Now = d.now
	return start(d.t, d.schedules, o)
}

func start(t testing.TB, db labdb.DBTX, o scheduler.Options) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(db, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (d *desk) turn(s *scheduler.Scheduler) scheduler.Work {
	d.t.Helper()
	work, err := s.Turn(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	return work
}

// hooked is a connection that tells the test what is asked, before it is.
type hooked struct {
	labdb.DBTX
	before func(sql string) error
}

func (h *hooked) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	if err := h.before(sql); err != nil {
		return nil, err
	}
	return h.DBTX.Query(ctx, sql, args...)
}

// maxTurns is far more than any of these tests needs.
const maxTurns = 2000

// run takes turns until no entry is open and no host at work, with `between` after each.
func (d *desk) run(s *scheduler.Scheduler, between func()) {
	d.t.Helper()
	for range maxTurns {
		work := d.turn(s)
		if work.Open == 0 && work.Busy == 0 {
			return
		}
		if between != nil {
			between()
		}
	}
	d.t.Fatalf("not done after %d turns; open entries:\n%s", maxTurns, d.openEntries())
}

func (d *desk) openEntries() string {
	return pgtest.Query[string](d.t, d.pool, "SELECT coalesce(string_agg(e::text, E'\n'), 'none') FROM afe_host_queue_entries AS e WHERE NOT complete")
}

// written is what the scheduler has changed, a line a row, in order: "entry 101: status=Starting".
func (d *desk) written() []string {
	d.t.Helper()
	return pgtest.Column[string](d.t, d.pool, `
		SELECT
			CASE of_table WHEN 'afe_host_queue_entries' THEN 'entry' WHEN 'afe_hosts' THEN 'host' WHEN 'afe_jobs' THEN 'job' ELSE of_table END
			|| ' ' || id || ': ' || CASE operation WHEN 'UPDATE' THEN '' ELSE operation || ' ' END
			|| coalesce((SELECT string_agg(c.key || '=' || coalesce(c.value, 'NULL'), ' ' ORDER BY c.key) FROM jsonb_each_text(changed) AS c), '')
		FROM audit
		WHERE program = 'scheduler'
		ORDER BY n`)
}

// must fails the test when a query that looks for wrong rows finds some.
func (d *desk) must(rule, wrongRows string, args ...any) {
	d.t.Helper()
	wrong := pgtest.Column[string](d.t, d.pool, "SELECT row_to_json(wrong)::text FROM ("+wrongRows+") AS wrong LIMIT 5", args...)
	if len(wrong) > 0 {
		d.t.Errorf("%s, but:\n\t%s", rule, strings.Join(wrong, "\n\t"))
	}
}

// oneHost is a host that everybody may use, with the label that jobs depend on.
const oneHost = `
	INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1');
	INSERT INTO afe_labels (id, name) VALUES (1, 'board:a');
	INSERT INTO afe_acl_groups (id, name) VALUES (1, 'Everyone');
	INSERT INTO afe_hosts (id, hostname, leased, shard_id) VALUES (1, 'h1', false, 1);
	INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 1);
	INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (1, 1);`

// jobSQL is a job that depends on label 1, with entries from 100 times its id on.
func jobSQL(id int64, entries, synchCount int) string {
	return fmt.Sprintf(`
		INSERT INTO afe_jobs (id, owner, name, created_on, shard_id, synch_count) VALUES (%[1]d, 'alice', 'job', now(), 1, %[3]d);
		INSERT INTO afe_jobs_dependency_labels (job_id, label_id) VALUES (%[1]d, 1);
		INSERT INTO afe_host_queue_entries (id, job_id, status)
			SELECT 100 * %[1]d + n, %[1]d, 'Queued' FROM generate_series(1, %[2]d) AS n;`, id, entries, synchCount)
}

// moreHosts copies host 1 until there are n.
func moreHosts(n int) string {
	return fmt.Sprintf(`
		INSERT INTO afe_hosts (id, hostname, leased, shard_id) SELECT n, 'h' || n, false, 1 FROM generate_series(2, %[1]d) AS n;
		INSERT INTO afe_hosts_labels (host_id, label_id) SELECT n, 1 FROM generate_series(2, %[1]d) AS n;
		INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) SELECT n, 1 FROM generate_series(2, %[1]d) AS n;`, n)
}
