package master

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
	"shardclient/runner/pg"
)

// nested are the relations of a record that are never sent to the master, by Autotest's names. The
// ids of foreign keys may be sent.
var nested = map[string][]string{
	"Job": {
		"dependency_labels", "hostqueueentry_set", "jobkeyval_set",
		"shard", "drone_set", "parent_job", "parameterized_job",
	},
	"HostQueueEntry": {"meta_host", "job", "host", "atomic_group"},
}

// storeUploads checks the uploaded jobs and entries, whose rows are locked, and returns the
// statements that store them.
func (b *beat) storeUploads(ctx context.Context, tx *pg.Tx, l *locked) (asks []pg.Ask, err error) {
	b.otherEnds = nil
	l.jobOf = make(map[int64]int64, len(l.entries))
	for _, row := range l.entries {
		l.jobOf[row.ID] = row.JobID
	}
	jobs, entries := &b.ready.jobs, &b.ready.entries
	if b.ready.failed || !b.acceptsAll(l) {
		jobs, entries = &masterdb.JobStoreParams{}, &masterdb.EntryStoreParams{}
		stored, err := b.takeJobs(l, jobColumns(jobs))
		if err != nil {
			return nil, err
		}
		asks = b.storeJobs(ctx, jobs, new(int64))
		if err := b.takeEntries(l, stored, entryColumns(entries)); err != nil {
			return nil, cmp.Or(together(ctx, tx, asks), err) // what PostgreSQL has against the jobs comes first
		}
	}
	asks = b.storeJobs(ctx, jobs, new(int64))
	if len(entries.Ids) > 0 && slices.ContainsFunc(l.entries, func(e masterdb.EntryLockRow) bool { return e.Complete }) {
		asks = append(asks, b.compareEnds(ctx, entries))
	}
	return append(asks, b.storeEntries(ctx, entries, false, new([]int64))...), nil
}

// acceptsAll reports whether every record is to be stored.
func (b *beat) acceptsAll(l *locked) bool {
	stored, err := b.takeJobs(l, nil)
	if err != nil || b.takeEntries(l, stored, nil) != nil {
		return false
	}
	return !l.ignored
}

// takeJobs takes the uploaded jobs that are to be stored. It returns the ids of the jobs whose
// entries may be stored. Records of another shard's jobs are an error in 2015 and ignored in 2019.
func (b *beat) takeJobs(l *locked, columns *columns) (map[int64]bool, error) {
	owner := make(map[int64]int64, len(l.jobs))
	for _, row := range l.jobs {
		owner[row.ID] = row.ShardID
	}
	stored := make(map[int64]bool, len(b.args.jobs))
	for _, r := range b.args.jobs {
		shardID, exists := owner[r.id]
		if !exists {
			return nil, unknownRecord(r, "Job")
		}
		if shardID != 0 && shardID != b.shard.ID {
			if b.protocol == afe.Protocol2015 {
				return nil, unallowed("Job id=%d is assigned to shard (%d). Cannot update it with %s from shard %d.",
					r.id, shardID, repr(r.object), b.shard.ID)
			}
			l.ignored = true
			continue
		}
		if err := columns.add(r); err != nil {
			return nil, err
		}
		stored[r.id] = stored[r.id] || r.isID()
	}
	return stored, nil
}

// takeEntries takes the uploaded entries of the jobs that are stored.
func (b *beat) takeEntries(l *locked, jobs map[int64]bool, columns *columns) error {
	for _, r := range b.args.entries {
		jobID, exists := l.jobOf[r.id]
		if !exists {
			return unknownRecord(r, "HostQueueEntry")
		}
		if !jobs[jobID] {
			if b.protocol == afe.Protocol2015 {
				return unallowed("Sent HostQueueEntry without corresponding job entry: %s", repr(r.object))
			}
			l.ignored = true
			continue
		}
		if err := columns.add(r); err != nil {
			return err
		}
	}
	return nil
}

// isID reports whether Python takes what a record has for an id as equal to it. A text is never
// equal: the original stores a job whose id is a text, but then finds none of its entries belong to
// it.
func (r record) isID() bool {
	sent, _ := r.get("id")
	if _, isText := sent.(string); isText {
		return false
	}
	if number, ok := sent.(json.Number); ok {
		value, err := number.Float64()
		return err == nil && value == float64(r.id)
	}
	converted, err := asInteger(sent)
	return err == nil && converted == r.id
}

func unknownRecord(r record, kind string) error {
	sent, _ := r.get("id")
	id, isText := sent.(string)
	if !isText {
		id = repr(sent)
	}
	return unallowed("Object with pk %s of type <class 'autotest_lib.frontend.afe.models.%s'> "+
		"does not exist on master.", id, kind)
}

func unallowed(format string, args ...any) error {
	return &fault{name: "UnallowedRecordsSentToMaster", message: fmt.Sprintf(format, args...)}
}
