// Package repair is what a person does about objects that are set aside, and about what stands in
// their way: it finds and shows them, lets them be tried again, and gives them up. A beat calls
// nothing of it, and each of its changes stands between two of a beat's transactions
// ([lock.Beside], docs/decisions/0066-mend-beside-the-client.md).
package repair

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/gen/sharddb"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
)

// Shard is the shard whose database is mended, while its client may run.
type Shard struct {
	Pool        *pgxpool.Pool
	LockTimeout time.Duration // how long a change waits for a row that another session has locked
	Hostname    string        // by which the master knows this shard
	Progress    func(done, all int)
}

// Done says what became of an object that a person has named. Its JSON is a contract.
type Done struct {
	Direction string `json:"direction"`
	Kind      string `json:"kind"`
	ID        *int64 `json:"id"`
	Code      string `json:"code"`
	// Done is what happened, or why nothing did, on one line.
	Done string `json:"done"`
	// Refused says that what was asked for cannot be.
	Refused bool `json:"refused"`
}

// String names the object as a command line does.
func (d *Done) String() string { return name(d.Direction, d.Kind, d.ID) }

func done(a *Aside, what string) Done { return Done{a.Direction, a.Kind, a.ID, a.Code, what, false} }

func refused(a *Aside, why string) Done { return Done{a.Direction, a.Kind, a.ID, a.Code, why, true} }

// chunk is how many objects one transaction changes, so that a beat that waits for it waits for a
// moment only.
const chunk = 500

// inChunks calls change with some of the objects after the other. What was changed before an error
// is returned beside it.
func (r *Shard) inChunks(found []Aside, change func([]Aside) ([]Done, error)) (all []Done, err error) {
	for some := range slices.Chunk(found, chunk) {
		did, err := change(some)
		if all = append(all, did...); err != nil {
			return all, err
		}
		if r.Progress != nil {
			r.Progress(len(all), len(found))
		}
	}
	return all, nil
}

func (r *Shard) write(ctx context.Context, what string, fn func(*sharddb.Queries) error) error {
	err := lock.Beside(ctx, r.Pool, r.LockTimeout, fn)
	if err = OwnersOnly(err); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// Retry lets objects be tried again. Those of direction out are due from now on. A host or a job of
// direction in is not stored from what is kept of it: the master may have given it to another shard
// since, and sends it again as long as it has not. A suite keyval, which it does not, is stored.
func (r *Shard) Retry(ctx context.Context, found []Aside) ([]Done, error) {
	return r.inChunks(found, func(some []Aside) (all []Done, err error) {
		var due []int64
		for i := range some {
			a := &some[i]
			switch {
			case a.Taken():
				all = append(all, refused(a, "is not sent, because the master would store it as another one; see "+a.Code+" in docs/runbook.md"))
			case a.Direction == "out":
				due = append(due, a.row)
				all = append(all, done(a, "is due now: one record is tried in each beat that follows one that is ok"))
			case a.Kind == "suite_keyval":
				did, err := r.RetryKeyval(ctx, a, nil)
				if err != nil {
					return all, err
				}
				all = append(all, did)
			default:
				all = append(all, done(a, "is tried with every answer that holds it, last at "+a.LastSeen.Format(time.RFC3339)+
					"; it is not stored without the master, which may have given it away"))
			}
		}
		if len(due) == 0 {
			return all, nil
		}
		return all, r.write(ctx, "try again", func(q *sharddb.Queries) error {
			_, err := q.RepairRetry(ctx, due)
			return err
		})
	})
}

// Fate says what Drop does with an object.
func Fate(a *Aside) string {
	switch {
	case a.Direction == "in" && a.Kind == "suite_keyval":
		return "is forgotten; the master sends it again only with a job of the suite that is not here"
	case a.Direction == "in":
		return "is forgotten; if the master sends it again, it is judged anew"
	case a.Taken() && a.Kind == "job":
		return "is deleted here with its entries and what they say, so that the master's job of this id can be stored"
	case a.Taken():
		return "is deleted here, its finished entries name no host then, so that the master's host of this id can be stored"
	case a.Kind == "job":
		return "is taken for sent: what it says until now never reaches the master"
	default:
		return "is taken out of use here: invalid, its open entries aborted"
	}
}

// GivesUp reports whether Drop gives something up for it that cannot be had again.
func GivesUp(a *Aside) bool { return a.Direction == "out" }

// Drop forgets objects that are set aside, and gives up what they are about: see [Fate].
func (r *Shard) Drop(ctx context.Context, found []Aside) ([]Done, error) {
	return r.inChunks(found, func(some []Aside) (all []Done, err error) {
		err = r.write(ctx, "drop", func(q *sharddb.Queries) error {
			all, err = r.drop(ctx, q, some)
			return err
		})
		if err != nil {
			all = nil
		}
		return all, err
	})
}

// drop forgets first, and gives up only what was still set aside: a record that the master has
// taken in the meantime may have more to say since.
func (r *Shard) drop(ctx context.Context, q *sharddb.Queries, some []Aside) ([]Done, error) {
	var rows []int64
	taken := map[string][]int64{}
	for i := range some {
		if a := &some[i]; a.Taken() {
			taken[a.Kind] = append(taken[a.Kind], *a.ID)
		} else {
			rows = append(rows, a.row)
		}
	}
	gone, err := q.RepairForget(ctx, rows)
	if err != nil {
		return nil, err
	}
	for kind := range taken {
		if taken[kind], err = q.RepairForgetTaken(ctx, kind, taken[kind]); err != nil {
			return nil, err
		}
	}
	var all []Done
	given := map[string][]int64{}
	for i := range some {
		a := &some[i]
		switch {
		case a.Taken() && !slices.Contains(taken[a.Kind], *a.ID), !a.Taken() && !slices.Contains(gone, a.row):
			all = append(all, done(a, "is set aside no more; nothing was done"))
			continue
		case a.Direction == "out" && !a.Taken():
			given[a.Kind] = append(given[a.Kind], *a.ID)
		}
		all = append(all, done(a, Fate(a)))
	}
	for _, step := range []struct {
		ids []int64
		do  func(context.Context, *sharddb.Queries, []int64) error
	}{
		{given["job"], r.giveUp}, {given["host"], retire}, {taken["job"], deleteJobs}, {taken["host"], deleteHosts},
	} {
		if len(step.ids) > 0 {
			if err := step.do(ctx, q, step.ids); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

// giveUp takes jobs for sent.
func (r *Shard) giveUp(ctx context.Context, q *sharddb.Queries, ids []int64) error {
	if err := q.AcknowledgeBegin(ctx); err != nil { // or it would look like another client's doing
		return err
	}
	if _, err := q.RepairLockJobs(ctx, ids); err != nil {
		return err
	}
	gone, err := q.RepairGiveUp(ctx, r.Hostname, ids)
	if err == nil && !gone.Known {
		err = fmt.Errorf("the master has sent nothing yet that names the shard %q: look at --shard-hostname", r.Hostname)
	}
	return err
}

// retire takes hosts out of use, as when the master says that they are not this shard's.
func retire(ctx context.Context, q *sharddb.Queries, ids []int64) error {
	locked, err := q.IncorrectHostsLock(ctx, ids)
	if err == nil && len(locked) > 0 {
		err = fmt.Errorf("another session has locked row %s: `shard-client sessions list` shows who is in a transaction", locked[0].Reason)
	}
	if err != nil {
		return err
	}
	missing, err := q.IncorrectHostsRemove(ctx, ids)
	if err == nil && missing > 0 {
		err = errors.New("a trigger of the site has swallowed the change of afe_hosts or afe_host_queue_entries")
	}
	return err
}

func deleteJobs(ctx context.Context, q *sharddb.Queries, ids []int64) error {
	_, err := q.RepairDeleteJobs(ctx, ids)
	return err
}

func deleteHosts(ctx context.Context, q *sharddb.Queries, ids []int64) error {
	open, err := q.RepairOpenEntries(ctx, ids)
	if err == nil && len(open) > 0 {
		err = fmt.Errorf("host %d has %d entries that have not ended: abort their jobs on the master, "+
			"and wait until the scheduler has ended them", open[0].HostID, open[0].Entries)
	}
	if err == nil {
		_, err = q.RepairDeleteHosts(ctx, ids)
	}
	return err
}

// Retire takes a host out of use that the master no longer has.
func (r *Shard) Retire(ctx context.Context, id int64) error {
	return r.write(ctx, fmt.Sprintf("take host %d out of use", id), func(q *sharddb.Queries) error {
		if here, err := q.RepairHostIsHere(ctx, id); err != nil || !here {
			return cmp.Or(err, errors.New("there is no such host here, or it is invalid already"))
		}
		if err := retire(ctx, q, []int64{id}); err != nil {
			return err
		}
		_, err := q.QuarantineForget(ctx, sharddb.QuarantineForgetParams{Direction: "out", Kind: "host", ObjectIds: []int64{id}})
		return err
	})
}

// Triggers enables the triggers of the schema that somebody has disabled, and returns each with its
// table.
func (r *Shard) Triggers(ctx context.Context) (enabled []string, err error) {
	err = r.write(ctx, "enable triggers", func(q *sharddb.Queries) (err error) {
		if enabled, err = q.RepairTriggersOff(ctx); err != nil || len(enabled) == 0 {
			return err
		}
		return q.RepairTriggers(ctx)
	})
	return enabled, err
}

// Rename gives a host whose id is taken the name that it has on the master.
func (r *Shard) Rename(ctx context.Context, id int64, hostname string) error {
	return r.write(ctx, fmt.Sprintf("rename host %d", id), func(q *sharddb.Queries) error {
		n, err := q.RepairRename(ctx, hostname, id)
		if err == nil && n == 0 {
			err = errors.New("its id is not taken: only a host that is set aside as host_taken is renamed here")
		}
		return err
	})
}

// OwnersOnly says of a right that the role lacks who has it.
func OwnersOnly(err error) error {
	if pg.Forbidden(err) {
		err = &forbiddenError{err}
	}
	return err
}

type forbiddenError struct{ error }

func (e *forbiddenError) Unwrap() error { return e.error }

// Hint implements the interface of package hint.
func (e *forbiddenError) Hint() string {
	return "connect as the role that owns the tables, as for `shard-client migrate up`"
}
