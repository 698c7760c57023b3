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

var times = []string{"created_on", "started_on", "finished_on"}

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
			return nil, unknownRecord(id, "Job")
		}
		if shardID != 0 && shardID != b.shardID {
			if b.protocol == afe.Protocol2015 {
				return nil, unallowed("Job id=%d is assigned to shard (%d). Cannot update it with %s from shard %d.",
					id, shardID, repr(record), b.shardID)
			}
			continue
		}
		if err := checkRecord(record, "Job"); err != nil {
			return nil, err
		}
		stored[id] = true
		records = append(records, record)
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
			return unknownRecord(recordID(record), "HostQueueEntry")
		}
		if !jobs[jobID] {
			if b.protocol == afe.Protocol2015 {
				return unallowed("Sent HostQueueEntry without corresponding job entry: %s", repr(record))
			}
			continue
		}
		if err := checkRecord(record, "HostQueueEntry"); err != nil {
			return err
		}
		records = append(records, record)
	}
	return b.store(ctx, "entries", records, b.q.EntryStore)
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

// checkRecord refuses what PostgreSQL would accept although the original refuses it: nested
// relations, and times with a zone.
func checkRecord(record map[string]any, kind string) error {
	for _, name := range nested[kind] {
		if value, sent := record[name]; sent {
			return &fault{name: "ValueError", message: fmt.Sprintf(
				"Serialized must not contain foreign objects: [('%s', %s)]", name, repr(value))}
		}
	}
	for _, name := range times {
		text, ok := record[name].(string)
		if !ok {
			continue
		}
		if _, err := afe.ParseTime(text); err != nil {
			return &fault{name: "ValueError", message: fmt.Sprintf("%s of %s %d: %s is not a time without a zone",
				name, kind, recordID(record), reprString(text))}
		}
	}
	return nil
}

// recordID returns the id of a record that asRecord has accepted.
func recordID(record map[string]any) int64 {
	id, _ := asID(record["id"])
	return id
}

func unknownRecord(id int64, kind string) error {
	return unallowed("Object with pk %d of type <class 'autotest_lib.frontend.afe.models.%s'> "+
		"does not exist on master.", id, kind)
}

func unallowed(format string, args ...any) error {
	return &fault{name: "UnallowedRecordsSentToMaster", message: fmt.Sprintf(format, args...)}
}
