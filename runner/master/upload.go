package master

import (
	"context"
	"encoding/json"
	"fmt"

	"shardclient/gen/masterdb"
	"shardclient/runner/afe"
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

// storeJobs checks and stores the uploaded jobs, whose rows are locked. It returns the ids of the
// jobs whose entries may be stored. Records of another shard's jobs are an error in 2015 and
// ignored in 2019.
func (b *beat) storeJobs(ctx context.Context, locked []masterdb.JobLockRow) (map[int64]bool, error) {
	owner := map[int64]int64{}
	for _, row := range locked {
		owner[row.ID] = row.ShardID
	}
	stored := map[int64]bool{}
	var sent masterdb.JobStoreParams
	columns := jobColumns(&sent)
	for _, record := range b.args.jobs {
		id := recordID(record)
		shardID, exists := owner[id]
		if !exists {
			return nil, unknownRecord(record, "Job")
		}
		if shardID != 0 && shardID != b.shard.ID {
			if b.protocol == afe.Protocol2015 {
				return nil, unallowed("Job id=%d is assigned to shard (%d). Cannot update it with %s from shard %d.",
					id, shardID, repr(record), b.shard.ID)
			}
			continue
		}
		if err := columns.add(record); err != nil {
			return nil, err
		}
		stored[id] = stored[id] || isID(record, id)
	}
	if len(sent.Ids) == 0 {
		return stored, nil
	}
	if _, err := b.q.JobStore(ctx, sent); err != nil {
		return nil, fmt.Errorf("store %d jobs: %w", len(sent.Ids), err)
	}
	return stored, nil
}

func (b *beat) storeEntries(ctx context.Context, jobs map[int64]bool) error {
	if len(b.args.entries) == 0 {
		return nil
	}
	ids := make([]int64, len(b.args.entries))
	for i, record := range b.args.entries {
		ids[i] = recordID(record)
	}
	locked, err := b.q.EntryLock(ctx, ids)
	if err != nil {
		return fmt.Errorf("lock entries: %w", err)
	}
	jobOf := make(map[int64]int64, len(locked))
	ended := false
	for _, row := range locked {
		jobOf[row.ID] = row.JobID
		ended = ended || row.Complete
	}
	var sent masterdb.EntryStoreParams
	columns := entryColumns(&sent)
	for _, record := range b.args.entries {
		jobID, exists := jobOf[recordID(record)]
		if !exists {
			return unknownRecord(record, "HostQueueEntry")
		}
		if !jobs[jobID] {
			if b.protocol == afe.Protocol2015 {
				return unallowed("Sent HostQueueEntry without corresponding job entry: %s", repr(record))
			}
			continue
		}
		if err := columns.add(record); err != nil {
			return err
		}
	}
	if len(sent.Ids) == 0 {
		return nil
	}
	if ended {
		if err := b.compareEnds(ctx, &sent); err != nil {
			return err
		}
	}
	if _, err := b.q.EntryStore(ctx, sent); err != nil {
		return fmt.Errorf("store %d entries: %w", len(sent.Ids), err)
	}
	return nil
}

// recordID returns the id of a record that asRecord has accepted.
func recordID(record object) int64 {
	sent, _ := record.get("id")
	id, _ := asInteger(sent)
	return id
}

// isID reports whether Python takes what a record has for an id as equal to it. A text is never
// equal: the original stores a job whose id is a text, but then finds none of its entries belong to
// it.
func isID(record object, id int64) bool {
	sent, _ := record.get("id")
	if _, isText := sent.(string); isText {
		return false
	}
	if number, ok := sent.(json.Number); ok {
		value, err := number.Float64()
		return err == nil && value == float64(id)
	}
	converted, err := asInteger(sent)
	return err == nil && converted == id
}

func unknownRecord(record object, kind string) error {
	sent, _ := record.get("id")
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
