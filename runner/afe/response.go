package afe

import (
	"time"

	"shardclient/runner/answer"
)

// Response is the result of a heartbeat. Every object stands by itself: one that cannot be understood
// carries the reason and harms no other (P6). The text of the answer is kept until [Response.Close].
type Response struct {
	// Protocol is the version of the packet that was answered.
	Protocol Protocol
	// Sure reports whether this is the only request of the beat that reached, or may yet reach, the
	// master. After a retry an earlier copy may still wait in the master's queue and be stored late
	// (docs/promises.md, "late request").
	Sure bool

	// Hosts, Jobs and SuiteKeyvals are the objects that the master sent, good and bad.
	Hosts        Section[Host]
	Jobs         Section[Job]
	SuiteKeyvals Section[Keyval]
	// IncorrectHostIDs are known hosts that do not belong to this shard any more; 2019 only.
	IncorrectHostIDs []int64
	// Malformed are sections, or elements of incorrect_host_ids, that do not follow the protocol.
	// The other sections count all the same. Of the elements only the first thousand are kept.
	Malformed []Malformed
	// Incomplete is an [*Error] that says which section was missing or not a list; nil: none was.
	Incomplete error

	answer *answer.Answer // nil: an empty response that was made by hand
}

// Received is one object of a response, as it was understood.
type Received[T any] struct {
	// ID is the object's id; 0 when it has none, or one that is not a positive number.
	ID int64
	// Object is the zero value when Err is set.
	Object T
	// Err says to the operator why the object cannot be used; nil: it can.
	Err error
}

// Malformed is a part of a response that does not follow the protocol.
type Malformed struct {
	Section string // such as "hosts"
	Place   Place
	Err     error // the reason
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
