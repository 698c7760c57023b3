package torture

import (
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Faults of other sessions that hold locks, each for some beats.
const holdTime = time.Second

// holdRow is a person who looks at a row FOR UPDATE and leaves the transaction open.
func (x *rack) holdRow(v *victim) {
	tables := []string{"afe_host_queue_entries", "afe_hosts", "afe_labels", "afe_jobs"}
	table := tables[x.counts.number("row held by an idle transaction")%len(tables)]
	x.hold(v, fmt.Sprintf("SELECT id FROM %s ORDER BY id DESC LIMIT 1 FOR UPDATE", table))
}

// lockTable is what VACUUM FULL does.
func (x *rack) lockTable(v *victim) {
	tables := []string{"afe_job_keyvals", "afe_hosts_labels", "afe_host_queue_entries"}
	x.hold(v, "LOCK TABLE "+tables[x.counts.number("table locked")%len(tables)])
}

// updateTwo is a scheduler that updates two hosts in one transaction, in either order. Whatever the
// clients do meanwhile, it must not be ended by a deadlock.
func (x *rack) updateTwo(v *victim) {
	order := []string{"ASC", "DESC"}[x.counts.number("two rows updated in one transaction")%2]
	x.hold(v, "UPDATE afe_hosts SET lock_reason = lock_reason WHERE id = (SELECT id FROM afe_hosts ORDER BY id "+order+" LIMIT 1)",
		"UPDATE afe_hosts SET lock_reason = lock_reason WHERE id = (SELECT id FROM afe_hosts ORDER BY id "+order+" OFFSET 1 LIMIT 1)")
}

// hold runs statements in a transaction, with a pause after each.
func (x *rack) hold(v *victim, statements ...string) {
	x.t.Helper()
	err := pgx.BeginFunc(x.t.Context(), v.DB, func(tx pgx.Tx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(x.t.Context(), sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
			<-time.After(holdTime)
		}
		return nil
	})
	if err != nil {
		x.t.Errorf("%s: a session that holds a lock: %v", v.Hostname, err)
	}
}
