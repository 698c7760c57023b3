package torture

import (
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
)

// settle stops the faults, lets everything come to its end, and looks whether both sides agree.
func (w *world) settle() {
	w.t.Helper()
	clear(w.network.bad)
	if w.refused != "" {
		w.restoreEntry()
	}
	for i, s := range w.stations {
		for n := range hostsPerShard {
			_, err := w.lab.People.MoveHosts(w.t.Context(), s.Board, fmt.Sprintf("shard%d-host%d", i+1, n+1))
			w.must("move home", err)
		}
	}
	rounds := 0
	for ; !w.worked(); rounds++ {
		if rounds == maxRounds {
			w.t.Fatalf("the shards are not done after %d rounds: %+v\nset aside: %v", rounds, w.lab.Compare(), w.aside())
		}
		for _, s := range w.stations {
			w.mustPass(s, w.run(s, nil))
			w.lab.Work(s.Shard)
			// The pauses of what the master refused, and of what it may yet store.
			pgtest.Exec(w.t, s.Shard.DB, "UPDATE shard_client_quarantine SET retry_at = now() WHERE direction = 'out'")
		}
	}
	w.network.deliver()
	w.lab.ForgetUnsure()
	beats := 0
	for ; !w.agree(); beats++ {
		if beats == maxBeats {
			w.t.Fatalf("P10: no agreement after %d beats: %+v\nset aside: %v", beats, w.lab.Compare(), w.aside())
		}
		for _, s := range w.stations {
			w.mustPass(s, w.run(s, nil))
		}
	}
	w.t.Logf("%d jobs; %d rounds and %d beats after the faults", len(w.jobs), rounds, beats)
}

// wanted are the entries that go to shards, on the master.
const wanted = "FROM afe_host_queue_entries AS e WHERE e.job_id = ANY ($1)"

func (w *world) wanted() int { return w.count(w.lab.Master, "SELECT count(*) "+wanted, w.jobs) }

// worked reports whether the shards have completed everything, and have stopped looking for records
// that the master refuses. The master may still hold something else: a request that was stored late
// may have undone it, and must be dead first.
func (w *world) worked() bool {
	for _, s := range w.stations {
		if w.count(s.DB, `SELECT (SELECT count(*) FROM shard_client_suspects)
			+ (SELECT count(*) FROM shard_client_quarantine WHERE direction = 'out')`) > 0 {
			return false
		}
	}
	return w.lab.Compare().Complete == w.wanted()
}

// agree reports whether nothing is lost, nothing ran twice, and nothing is set aside except what
// never came again.
func (w *world) agree() bool {
	report := w.lab.Compare()
	return report.Agree() && report.Lost == 0 && report.Complete == w.wanted() && len(w.aside()) == 0
}

// aside is what is set aside and should not be: an object that is here, because it came when it was
// in order, may have come broken later, and not again since.
func (w *world) aside() (keys []string) {
	for _, s := range w.stations {
		for _, key := range w.column(s.DB, `
			SELECT q.direction || ' ' || q.kind || ' ' || q.object_id || ' ' || q.code || CASE WHEN
				q.kind = 'host' AND EXISTS (SELECT FROM afe_hosts WHERE id = q.object_id)
				OR q.kind = 'job' AND EXISTS (SELECT FROM afe_jobs WHERE id = q.object_id) THEN ' here' ELSE '' END
			FROM shard_client_quarantine AS q`) {
			var direction, kind, id, code, here string
			_, _ = fmt.Sscan(key, &direction, &kind, &id, &code, &here) // the last is often missing
			if direction != "in" || here == "" || !w.bad[kind+" "+id] {
				keys = append(keys, s.Hostname+": "+key)
			}
		}
	}
	return keys
}

func (w *world) count(db *pgxpool.Pool, sql string, args ...any) (n int) {
	w.t.Helper()
	w.must(sql, db.QueryRow(w.t.Context(), sql, args...).Scan(&n))
	return n
}

func (w *world) column(db *pgxpool.Pool, sql string, args ...any) []string {
	w.t.Helper()
	rows, err := db.Query(w.t.Context(), sql, args...)
	w.must(sql, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[string])
	w.must(sql, err)
	return values
}

// none fails when a query that looks for wrong rows finds some.
func (w *world) none(s *station, rule, wrongRows string, args ...any) {
	w.t.Helper()
	if wrong := w.column(s.DB, "SELECT row_to_json(wrong)::text FROM ("+wrongRows+") AS wrong LIMIT 3", args...); len(wrong) > 0 {
		w.t.Fatalf("%s: %s, but: %v", s.Hostname, rule, wrong)
	}
}
