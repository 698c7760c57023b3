package master

import (
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/masterdb"
)

// columns are what a statement stores: a list for each column, with the value of each record. Where
// a record has no value for a column, its bit is set in skipped, and if that value is null, also in
// nulls. What is true of a record is a bit in truths. A list may end before the last record that
// has no value for it.
type columns struct {
	kind                   string // "Job" or "HostQueueEntry"
	ids                    *[]int64
	skipped, nulls, truths *[]int64
	of                     map[string]column
	order                  []named       // the columns of the last record, in its order
	rows                   map[int64]int // where a record is in the lists, by its id
}

// column is one list with its bit. The type of the list says how Django converts a value.
type column struct {
	bit  int64
	list any // *[]int64, *[]string, *[]pgtype.Timestamp or truthBit; nil: a nested relation
}

// truthBit stands for the list of a boolean column.
type truthBit struct{}

// entryJob is the bit of the job of entries.
const entryJob = 1 << 0

type field struct {
	name string
	list any
}

// named is a column by the name that a record has for it.
type named struct {
	name   string
	column column
	known  bool
}

// newColumns takes the fields in the order of their bits in queries/master/upload.sql.
func newColumns(c columns, fields []field) *columns {
	c.of, c.rows = make(map[string]column, len(fields)), map[int64]int{}
	for i, f := range fields {
		c.of[f.name] = column{1 << i, f.list}
	}
	for _, name := range nested[c.kind] {
		c.of[name] = column{}
	}
	return &c
}

func jobColumns(p *masterdb.JobStoreParams) *columns {
	return newColumns(columns{kind: "Job", ids: &p.Ids, skipped: &p.Skipped, nulls: &p.Nulls, truths: &p.Truths}, []field{
		{"owner", &p.Owners}, {"name", &p.Names}, {"priority", &p.Priorities}, {"control_file", &p.ControlFiles},
		{"control_type", &p.ControlTypes}, {"created_on", &p.CreatedOn}, {"synch_count", &p.SynchCounts},
		{"timeout", &p.Timeouts}, {"run_verify", truthBit{}}, {"email_list", &p.EmailLists},
		{"reboot_before", &p.RebootBefore}, {"reboot_after", &p.RebootAfter},
		{"parse_failed_repair", truthBit{}}, {"max_runtime_hrs", &p.MaxRuntimeHrs},
		{"max_runtime_mins", &p.MaxRuntimeMins}, {"drone_set_id", &p.DroneSetIds},
		{"parameterized_job_id", &p.ParameterizedJobIds}, {"parent_job_id", &p.ParentJobIds},
		{"test_retry", &p.TestRetries}, {"run_reset", truthBit{}}, {"timeout_mins", &p.TimeoutMins},
		{"shard_id", &p.ShardIds}, {"require_ssp", truthBit{}},
	})
}

func entryColumns(p *masterdb.EntryStoreParams) *columns {
	return newColumns(columns{kind: "HostQueueEntry", ids: &p.Ids, skipped: &p.Skipped, nulls: &p.Nulls, truths: &p.Truths}, []field{
		{"job_id", &p.JobIds}, {"host_id", &p.HostIds}, {"status", &p.Statuses}, {"active", truthBit{}},
		{"complete", truthBit{}}, {"deleted", truthBit{}}, {"execution_subdir", &p.ExecutionSubdirs},
		{"atomic_group_id", &p.AtomicGroupIds}, {"aborted", truthBit{}}, {"started_on", &p.StartedOn},
		{"finished_on", &p.FinishedOn},
	})
}

// add adds a record. Of records with the same id the last one counts, and of members with the same
// name. It refuses nested relations, and what cannot be converted, as the original does. Fields
// that no column has are passed over. Without columns it accepts everything.
func (c *columns) add(r record) error {
	if c == nil {
		return nil
	}
	row, twice := c.rows[r.id]
	if !twice {
		row = len(*c.ids)
		c.rows[r.id] = row
		*c.ids, *c.skipped = append(*c.ids, r.id), append(*c.skipped, 0)
		*c.nulls, *c.truths = append(*c.nulls, 0), append(*c.truths, 0)
	}
	skipped, nulls, truths := int64(-1), int64(0), int64(0)
	var failure error
	for i, m := range slices.Backward(r.object) {
		in, known := c.find(i, m.name)
		switch {
		case !known:
		case in.list == nil:
			return c.foreign(r)
		case failure != nil || skipped&in.bit == 0 || nulls&in.bit != 0:
		case m.value == nil:
			nulls |= in.bit
		case in.list == truthBit{}:
			skipped &^= in.bit
			if truth(m.value) {
				truths |= in.bit
			}
		default:
			skipped &^= in.bit
			if err := in.put(row, m.value); err != nil {
				failure = fmt.Errorf("%s of %s %d: %w", m.name, c.kind, r.id, err)
			}
		}
	}
	(*c.skipped)[row], (*c.nulls)[row], (*c.truths)[row] = skipped, nulls, truths
	return failure
}

// find finds the column of a member. Records have the same members in the same order, as a rule.
func (c *columns) find(i int, name string) (column, bool) {
	if missing := i + 1 - len(c.order); missing > 0 {
		c.order = append(c.order, make([]named, missing)...)
	}
	if at := &c.order[i]; at.name != name {
		in, known := c.of[name]
		*at = named{name, in, known}
	}
	return c.order[i].column, c.order[i].known
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
