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
	var records []map[string]any
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
		read, err := readRecord(record, "Job")
		if err != nil {
			return nil, err
		}
		stored[id] = stored[id] || isID(record["id"], id)
		records = append(records, read)
	}
	return stored, b.store(ctx, "jobs", records, b.q.JobStore)
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
	jobOf := map[int64]int64{}
	for _, row := range locked {
		jobOf[row.ID] = row.JobID
	}
	var records []map[string]any
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
		read, err := readRecord(record, "HostQueueEntry")
		if err != nil {
			return err
		}
		records = append(records, read)
	}
	return b.store(ctx, "entries", records, func(ctx context.Context, text []byte) (int64, error) {
		if err := b.compareEnds(ctx, text); err != nil {
			return 0, err
		}
		return b.q.EntryStore(ctx, text)
	})
}

func (b *beat) store(
	ctx context.Context, what string, records []map[string]any, statement func(context.Context, []byte) (int64, error),
) error {
	if len(records) == 0 {
		return nil
	}
	text, err := json.Marshal(records)
	if err != nil {
		return fmt.Errorf("store %s: %w", what, err)
	}
	if _, err := statement(ctx, text); err != nil {
		return fmt.Errorf("store %d %s: %w", len(records), what, err)
	}
	return nil
}

// readRecord returns a record as it is stored. It refuses nested relations.
func readRecord(record map[string]any, kind string) (map[string]any, error) {
	for _, name := range nested[kind] {
		if value, sent := record[name]; sent {
			return nil, &fault{name: "ValueError", message: fmt.Sprintf(
				"Serialized must not contain foreign objects: [('%s', %s)]", name, repr(value))}
		}
	}
	return converted(record, kind)
}

// recordID returns the id of a record that asRecord has accepted.
func recordID(record map[string]any) int64 {
	id, _ := asInteger(record["id"])
	return id
}

// isID reports whether Python takes what was sent for an id as equal to it. A text is never equal:
// the original stores a job whose id is a text, but then finds none of its entries belong to it.
func isID(sent any, id int64) bool {
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

func unknownRecord(record map[string]any, kind string) error {
	id := repr(record["id"])
	if text, ok := record["id"].(string); ok {
		id = text
	}
	return unallowed("Object with pk %s of type <class 'autotest_lib.frontend.afe.models.%s'> "+
		"does not exist on master.", id, kind)
}

func unallowed(format string, args ...any) error {
	return &fault{name: "UnallowedRecordsSentToMaster", message: fmt.Sprintf(format, args...)}
}
