package afe

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Response is a decoded result. Every object stands by itself: one that cannot
// be understood carries its reason and harms no other (P6).
type Response struct {
	// Protocol is the version of the packet that was answered.
	Protocol Protocol
	// Sure tells that this is the only request of the beat that reached, or may yet
	// reach, the master. After a retry an earlier copy may still wait in its queue
	// and be stored late (docs/decisions.md, fault 3a).
	Sure bool

	// A section that could not be read is nil, one that was empty is not.
	Hosts            []Received[Host]
	Jobs             []Received[Job]
	SuiteKeyvals     []Received[Keyval]
	IncorrectHostIDs []int64
	// Malformed are sections, or elements of incorrect_host_ids, that are not what
	// the protocol says. The other sections count all the same.
	Malformed []Malformed
	// Incomplete is an *Error that says which section was missing or no list; nil: none.
	Incomplete error
}

// Received is one object of a response: as it came, and as it was understood.
type Received[T any] struct {
	Raw    jsontext.Value
	ID     int64 // 0 when the object has none, or none that is a positive number
	Object T
	Err    error // why the object cannot be used; a sentence for the operator
}

// Malformed is a part of a response that is no list of objects.
type Malformed struct {
	Section string
	Raw     jsontext.Value
	Err     error
}

// Time is a naive time of the master.
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

// Attribute is a host attribute. Its id and host_id are the master's own and not
// kept: it belongs to the host in which it stands.
type Attribute struct {
	Attribute string `json:"attribute"`
	Value     string `json:"value"`
}

// Keyval is a keyval of a job. One that stands in a job belongs to that job; a
// suite keyval names its job, the parent, which the shard does not have. The id
// is the master's own and not kept.
type Keyval struct {
	ID    int64  `json:"id"`
	JobID int64  `json:"job_id"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Host is a host with all it needs to be used.
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

// Entry is a host queue entry. It has no job_id: it belongs to the job in which
// it stands. Its active and complete are not read: for a new entry they follow
// from the status, and an entry that exists keeps its own.
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
