package repair

import (
	"context"
	"errors"
	"fmt"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// RetryKeyval stores a suite keyval that is set aside, from what is kept of it or from a corrected
// text, by the rules of a beat. A value that its key has here by now stays, because it came later.
func (r *Shard) RetryKeyval(ctx context.Context, a *Aside, corrected []byte) (Done, error) {
	text := corrected
	if text == nil {
		kept, err := Show(ctx, r.Pool, *a)
		if err != nil {
			return Done{}, err
		}
		if int64(len(kept.Raw)) < a.PayloadBytes {
			return refused(a, "is not kept whole; give it with --payload FILE"), nil
		}
		text = kept.Raw
	}
	read := (&objects.Reader[objects.Keyval]{}).Read(text)
	if read.Err != nil {
		return refused(a, "cannot be stored as it is: "+read.Err.Error()+"; give it corrected with --payload FILE"), nil
	}
	k := read.Object
	var outcome Done
	err := r.write(ctx, "store "+a.String(), func(q *sharddb.Queries) error {
		here, err := q.RepairKeyval(ctx, k.JobID, k.Key)
		if err != nil {
			return err
		}
		as := fmt.Sprintf("job %d has %s = %s", k.JobID, k.Key, printable(k.Value))
		switch {
		case len(here) == 0:
			outcome = done(a, "is stored: "+as)
			err = q.RepairAddKeyval(ctx, sharddb.RepairAddKeyvalParams{JobID: k.JobID, Key: k.Key, Value: k.Value})
		case here[0] == k.Value:
			outcome = done(a, "is here already: "+as)
		default:
			outcome = refused(a, fmt.Sprintf("is not stored: job %d has %s = %s by now", k.JobID, k.Key, printable(here[0])))
			return nil
		}
		if err != nil {
			return err
		}
		_, err = q.RepairForget(ctx, []int64{a.row})
		return err
	})
	return outcome, err
}

// ErrCorrectsKeyvals says for what a corrected payload is.
var ErrCorrectsKeyvals = errors.New("--payload is for one suite keyval: the master sends hosts and jobs again, " +
	"and stored without it they might run on two shards; correct them there")
