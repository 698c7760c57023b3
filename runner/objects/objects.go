// Package objects has what a master sends to a shard: hosts, jobs with their entries, keyvals, and
// what these name. It reads each from its text, by itself: one that cannot be used carries the
// reason. A field that the master may leave out is a [Maybe]. docs/protocol.md has the facts.
package objects

import (
	"fmt"
	"time"

	"shardclient/runner/plain"
)

// Received is one object of a response, as it was understood.
type Received[T any] struct {
	// ID is the object's id; 0 when it has none, or one that is not a positive number.
	ID int64
	// Object is the zero value when Err is set.
	Object T
	// Err says to the operator why the object cannot be used; nil: it can.
	Err error
}

// Time is a time as the master writes it, without a zone; see [ParseTime].
type Time struct{ time.Time }

// Ref names a shard.
type Ref struct {
	ID       int64  `json:"id"`
	Hostname string `json:"hostname"`
}

// Label is a label of a host, a dependency of a job or the meta host of an entry.
type Label struct {
	ID           int64  `json:"id"`
	Name         string `json:"name"`
	KernelConfig string `json:"kernel_config"`
	Platform     bool   `json:"platform"`
	Invalid      bool   `json:"invalid"`
	OnlyIfNeeded bool   `json:"only_if_needed"`
}

// User is a member of an ACL group.
type User struct {
	ID               int64  `json:"id"`
	Login            string `json:"login"`
	AccessLevel      int32  `json:"access_level"`
	RebootBefore     int32  `json:"reboot_before"`
	RebootAfter      int32  `json:"reboot_after"`
	ShowExperimental bool   `json:"show_experimental"`
}

// ACLGroup says which users may use which hosts.
type ACLGroup struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Users       []User `json:"users"`
}

// Attribute is an attribute of the host in which it stands. Its id and host_id are the master's own
// and not kept.
type Attribute struct {
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
}

// Keyval is a keyval of a job. One that stands in a job belongs to that job; a suite keyval names
// its job, the parent of the suite, which the shard need not have. The id is the master's own and
// not kept.
type Keyval struct {
	ID    int64  `json:"id"`
	JobID int64  `json:"job_id"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Host is a host with its labels, ACL groups and attributes.
type Host struct {
	ID         int64              `json:"id"`
	Hostname   string             `json:"hostname"`
	Status     string             `json:"status"`
	Locked     bool               `json:"locked"`
	Leased     bool               `json:"leased"`
	Invalid    Maybe[bool]        `json:"invalid,omitzero"`
	Dirty      bool               `json:"dirty"`
	Protection int32              `json:"protection"`
	SynchID    *int64             `json:"synch_id"`
	LockTime   *Time              `json:"lock_time"`
	LockReason *string            `json:"lock_reason"`
	Labels     []Label            `json:"labels"`
	ACLGroups  []ACLGroup         `json:"aclgroup_set"`
	Attributes Maybe[[]Attribute] `json:"hostattribute_set,omitzero"`
	Shard      Maybe[*Ref]        `json:"shard,omitzero"`
}

// Job is a job with its entries.
type Job struct {
	ID                int64           `json:"id"`
	Owner             string          `json:"owner"`
	Name              string          `json:"name"`
	Priority          int32           `json:"priority"`
	ControlFile       *string         `json:"control_file"`
	ControlType       int32           `json:"control_type"`
	CreatedOn         Time            `json:"created_on"`
	SynchCount        int32           `json:"synch_count"`
	Timeout           int32           `json:"timeout"`
	TimeoutMins       int32           `json:"timeout_mins"`
	MaxRuntimeHrs     int32           `json:"max_runtime_hrs"`
	MaxRuntimeMins    int32           `json:"max_runtime_mins"`
	RunVerify         bool            `json:"run_verify"`
	RunReset          bool            `json:"run_reset"`
	EmailList         string          `json:"email_list"`
	RebootBefore      int32           `json:"reboot_before"`
	RebootAfter       int32           `json:"reboot_after"`
	ParseFailedRepair bool            `json:"parse_failed_repair"`
	TestRetry         int32           `json:"test_retry"`
	RequireSSP        *bool           `json:"require_ssp"`
	DependencyLabels  []Label         `json:"dependency_labels"`
	Entries           []Entry         `json:"hostqueueentry_set"`
	Keyvals           Maybe[[]Keyval] `json:"jobkeyval_set,omitzero"`
	Shard             Maybe[*Ref]     `json:"shard,omitzero"`
}

// Entry is a host queue entry of the job in which it stands. The fields active and complete are not
// read: for a new entry they follow from the status, and an entry that the shard has keeps its own.
type Entry struct {
	ID              int64         `json:"id"`
	Status          string        `json:"status"`
	Deleted         bool          `json:"deleted"`
	Aborted         Maybe[bool]   `json:"aborted,omitzero"`
	ExecutionSubdir string        `json:"execution_subdir"`
	StartedOn       *Time         `json:"started_on"`
	FinishedOn      *Time         `json:"finished_on"`
	HostID          *int64        `json:"host_id"`
	MetaHost        Maybe[*Label] `json:"meta_host,omitzero"`
}

// ParseTime reads a time as the master writes it, without a zone, such as 2019-03-15T11:30:15.25.
// PostgreSQL keeps microseconds; finer digits are cut off, because rounding could lead into another
// second. The error quotes the text.
func ParseTime(s string) (time.Time, error) {
	for _, layout := range []string{"2006-01-02T15:04:05", "2006-01-02 15:04:05"} {
		// Go accepts a fraction after the seconds of a layout that has none.
		if t, err := time.Parse(layout, s); err == nil && t.Year() > 0 { // Python has no year 0
			return t.Truncate(time.Microsecond), nil
		}
	}
	return time.Time{}, fmt.Errorf("want a time without zone like 2019-03-15T11:30:15, got %s", plain.Quote(s))
}
