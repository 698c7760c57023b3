package bench

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
)

// answer writes the rows as a master of 2019 does: Python's order of keys, and a space after each
// colon and comma.
func (r *rows) answer() []byte {
	var b bytes.Buffer
	b.Grow(1400 * (len(r.jobs) + hosts))
	b.WriteString(`{"error": null, "result": {"jobs": [`)
	for i := range r.jobs {
		separate(&b, i)
		r.writeJob(&b, i)
	}
	b.WriteString(`], "incorrect_host_ids": [], "hosts": [`)
	for i := range r.hosts {
		separate(&b, i)
		r.writeHost(&b, i)
	}
	b.WriteString(`], "suite_keyvals": [`)
	for i, k := range r.keyvals[:len(r.keyvals)-len(keyvalsOfJob)*len(r.jobs)] {
		separate(&b, i)
		writeKeyval(&b, k, i+1)
	}
	b.WriteString(`]}, "id": "jsonrpc"}`)
	return b.Bytes()
}

func separate(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteString(", ")
	}
}

func (r *rows) writeJob(b *bytes.Buffer, i int) {
	j := &r.jobs[i]
	fmt.Fprintf(b, `{"control_type": %d, "max_runtime_hrs": %d, "shard": {"hostname": %s, "id": %d}, "created_on": %s, `+
		`"timeout_mins": %d, "owner": %s, "max_runtime_mins": %d, "reboot_after": %d, "id": %d, "control_file": %s, `+
		`"test_retry": %d, "run_verify": %t, "priority": %d, "synch_count": %d, "require_ssp": %s, "run_reset": %t, `+
		`"reboot_before": %d, "email_list": %s, "parse_failed_repair": %t, "name": %s, "hostqueueentry_set": [`,
		j.ControlType, j.MaxRuntimeHrs, text(shardHostname), shardID, wireTime(j.CreatedOn),
		j.TimeoutMins, text(j.Owner), j.MaxRuntimeMins, j.RebootAfter, j.ID, text(*j.ControlFile),
		j.TestRetry, j.RunVerify, j.Priority, j.SynchCount, orNull(j.RequireSsp), j.RunReset,
		j.RebootBefore, text(j.EmailList), j.ParseFailedRepair, text(j.Name))
	from, to := r.entriesOf[i][0], r.entriesOf[i][1]
	for n := range r.entries[from:to] {
		separate(b, n)
		r.writeEntry(b, &r.entries[from+n])
	}
	b.WriteString(`], "dependency_labels": [`)
	for n, d := range r.dependencies[r.deps[i][0]:r.deps[i][1]] {
		separate(b, n)
		r.writeLabel(b, d.LabelID)
	}
	fmt.Fprintf(b, `], "timeout": %d, "jobkeyval_set": [`, j.Timeout)
	first := len(r.keyvals) - len(keyvalsOfJob)*(len(r.jobs)-i)
	for n, k := range r.keyvals[first : first+len(keyvalsOfJob)] {
		separate(b, n)
		writeKeyval(b, k, first+n+1)
	}
	b.WriteString("]}")
}

func (r *rows) writeEntry(b *bytes.Buffer, e *labdb.BenchEntriesParams) {
	fmt.Fprintf(b, `{"status": %s, "complete": %t, "meta_host": `, text(e.Status), e.Complete)
	if e.MetaHost == nil {
		b.WriteString("null")
	} else {
		r.writeLabel(b, *e.MetaHost)
	}
	fmt.Fprintf(b, `, "deleted": %t, "started_on": null, "finished_on": null, "aborted": %t, "active": %t, "host_id": %s, `+
		`"execution_subdir": %s, "id": %d}`, e.Deleted, e.Aborted, e.Active, orNull(e.HostID), text(e.ExecutionSubdir), e.ID)
}

func (r *rows) writeLabel(b *bytes.Buffer, id int64) {
	l := r.labels[id-1]
	fmt.Fprintf(b, `{"name": %s, "invalid": %t, "platform": %t, "kernel_config": %s, "id": %d, "only_if_needed": %t}`,
		text(l.Name), l.Invalid, l.Platform, text(l.KernelConfig), l.ID, l.OnlyIfNeeded)
}

func writeKeyval(b *bytes.Buffer, k labdb.BenchKeyvalsParams, id int) {
	fmt.Fprintf(b, `{"value": %s, "id": %d, "key": %s, "job_id": %d}`, text(k.Value), id, text(k.Key), k.JobID)
}

func (r *rows) writeHost(b *bytes.Buffer, i int) {
	h := &r.hosts[i]
	fmt.Fprintf(b, `{"status": %s, "lock_time": %s, "labels": [`, text(h.Status), wireTime(h.LockTime))
	for n, label := range labelsOfHost(i) {
		separate(b, n)
		r.writeLabel(b, label)
	}
	fmt.Fprintf(b, `], "locked": %t, "lock_reason": %s, "hostattribute_set": [`, h.Locked, text(*h.LockReason))
	for n, a := range r.attributes[2*i : 2*i+2] {
		separate(b, n)
		fmt.Fprintf(b, `{"host_id": %d, "id": %d, "value": %s, "attribute": %s}`, a.HostID, 2*i+n+1, text(a.Value), text(a.Attribute))
	}
	fmt.Fprintf(b, `], "hostname": %s, "leased": %t, "shard": {"hostname": %s, "id": %d}, "invalid": %t, "synch_id": null, `+
		`"protection": %d, "aclgroup_set": [`, text(h.Hostname), h.Leased, text(shardHostname), shardID, h.Invalid, h.Protection)
	r.writeGroup(b, r.aclGroupHosts[i].AclgroupID)
	fmt.Fprintf(b, `], "dirty": %t, "id": %d}`, h.Dirty, h.ID)
}

func (r *rows) writeGroup(b *bytes.Buffer, id int64) {
	group, written := r.aclGroups[id-1], 0
	b.WriteString(`{"users": [`)
	for _, m := range r.aclGroupUsers {
		if m.AclgroupID != id {
			continue
		}
		separate(b, written)
		written++
		u := r.users[m.UserID-1]
		fmt.Fprintf(b, `{"show_experimental": %t, "reboot_before": %d, "access_level": %d, "login": %s, "reboot_after": %d, "id": %d}`,
			u.ShowExperimental, u.RebootBefore, u.AccessLevel, text(u.Login), u.RebootAfter, u.ID)
	}
	fmt.Fprintf(b, `], "description": %s, "id": %d, "name": %s}`, text(group.Description), group.ID, text(group.Name))
}

// text returns a JSON string. What is made up here is plain ASCII without the characters that
// encoding/json writes otherwise than Python does, < and > in one lock reason apart.
func text(s string) []byte {
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string has a JSON form
	}
	return quoted
}

func wireTime(t pgtype.Timestamp) []byte {
	switch {
	case !t.Valid:
		return []byte("null")
	case t.Time.Nanosecond() == 0:
		return text(t.Time.Format("2006-01-02T15:04:05"))
	}
	return text(t.Time.Format("2006-01-02T15:04:05.000"))
}

func orNull[T any](v *T) string {
	if v == nil {
		return "null"
	}
	return fmt.Sprint(*v)
}
