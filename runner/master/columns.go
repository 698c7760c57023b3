package master

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/masterdb"
)

// columns are what a statement stores: a list for each column, with the value of each record. Where
// a record has no value for a column, its bit is set in skipped, and if that value is null, also in
// nulls. A list may end before the last record that has no value for it.
type columns struct {
	kind           string // "Job" or "HostQueueEntry"
	ids            *[]int64
	skipped, nulls *[]int64
	of             map[string]column
	rows           map[int64]int // where a record is in the lists, by its id
}

// column is one list with its bit. The type of the list says how Django converts a value.
type column struct {
	bit  int64
	list any // *[]int64, *[]bool, *[]string or *[]pgtype.Timestamp
}

// The bits of two columns of entries.
const (
	entryJob      = 1 << 0
	entryComplete = 1 << 4
)

type field struct {
	name string
	list any
}

// newColumns takes the fields in the order of their bits in queries/master/upload.sql.
func newColumns(kind string, ids, skipped, nulls *[]int64, fields []field) *columns {
	c := &columns{kind: kind, ids: ids, skipped: skipped, nulls: nulls, of: map[string]column{}, rows: map[int64]int{}}
	for i, f := range fields {
		c.of[f.name] = column{1 << i, f.list}
	}
	for _, name := range nested[kind] {
		c.of[name] = column{}
	}
	return c
}

func jobColumns(p *masterdb.JobStoreParams) *columns {
	return newColumns("Job", &p.Ids, &p.Skipped, &p.Nulls, []field{
		{"owner", &p.Owners}, {"name", &p.Names}, {"priority", &p.Priorities}, {"control_file", &p.ControlFiles},
		{"control_type", &p.ControlTypes}, {"created_on", &p.CreatedOn}, {"synch_count", &p.SynchCounts},
		{"timeout", &p.Timeouts}, {"run_verify", &p.RunVerify}, {"email_list", &p.EmailLists},
		{"reboot_before", &p.RebootBefore}, {"reboot_after", &p.RebootAfter},
		{"parse_failed_repair", &p.ParseFailedRepair}, {"max_runtime_hrs", &p.MaxRuntimeHrs},
		{"max_runtime_mins", &p.MaxRuntimeMins}, {"drone_set_id", &p.DroneSetIds},
		{"parameterized_job_id", &p.ParameterizedJobIds}, {"parent_job_id", &p.ParentJobIds},
		{"test_retry", &p.TestRetries}, {"run_reset", &p.RunReset}, {"timeout_mins", &p.TimeoutMins},
		{"shard_id", &p.ShardIds}, {"require_ssp", &p.RequireSsp},
	})
}

func entryColumns(p *masterdb.EntryStoreParams) *columns {
	return newColumns("HostQueueEntry", &p.Ids, &p.Skipped, &p.Nulls, []field{
		{"job_id", &p.JobIds}, {"host_id", &p.HostIds}, {"status", &p.Statuses}, {"active", &p.Active},
		{"complete", &p.Complete}, {"deleted", &p.Deleted}, {"execution_subdir", &p.ExecutionSubdirs},
		{"atomic_group_id", &p.AtomicGroupIds}, {"aborted", &p.Aborted}, {"started_on", &p.StartedOn},
		{"finished_on", &p.FinishedOn},
	})
}

// add adds a record. Of records with the same id the last one counts, and of members with the same
// name. It refuses nested relations, and what cannot be converted, as the original does. Fields
// that no column has are passed over.
func (c *columns) add(r record) error {
	id := r.id
	row, twice := c.rows[id]
	if !twice {
		row = len(*c.ids)
		c.rows[id] = row
		*c.ids, *c.skipped, *c.nulls = append(*c.ids, id), append(*c.skipped, 0), append(*c.nulls, 0)
	}
	(*c.skipped)[row], (*c.nulls)[row] = -1, 0
	var failure error
	for _, m := range slices.Backward(r.object) {
		in, known := c.of[m.name]
		switch {
		case !known:
		case in.list == nil:
			return c.foreign(r)
		case failure != nil || (*c.skipped)[row]&in.bit == 0 || (*c.nulls)[row]&in.bit != 0:
		case m.value == nil:
			(*c.nulls)[row] |= in.bit
		default:
			(*c.skipped)[row] &^= in.bit
			if err := in.put(row, m.value); err != nil {
				failure = fmt.Errorf("%s of %s %d: %w", m.name, c.kind, id, err)
			}
		}
	}
	return failure
}

// foreign refuses a record with a nested relation.
func (c *columns) foreign(r record) error {
	for _, name := range nested[c.kind] {
		if value, sent := r.get(name); sent {
			return &fault{name: "ValueError", message: fmt.Sprintf(
				"Serialized must not contain foreign objects: [('%s', %s)]", name, repr(value))}
		}
	}
	return nil
}

// put converts a value as Django does: 7.9 is 7 in an integer column, and a date is its midnight.
func (c column) put(row int, value any) error {
	switch list := c.list.(type) {
	case *[]int64:
		integer, err := asInteger(value)
		putAt(list, row, integer)
		return err
	case *[]pgtype.Timestamp:
		at, err := asTime(value)
		putAt(list, row, pgtype.Timestamp{Time: at, Valid: true})
		return err
	case *[]bool:
		putAt(list, row, truth(value))
	case *[]string:
		text, isText := value.(string)
		if !isText {
			text = repr(value)
		}
		putAt(list, row, text)
	}
	return nil
}

func putAt[T any](list *[]T, row int, value T) {
	if missing := row + 1 - len(*list); missing > 0 {
		*list = append(*list, make([]T, missing)...)
	}
	(*list)[row] = value
}
