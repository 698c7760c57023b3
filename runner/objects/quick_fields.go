package objects

// The fields of each object, as quick reads them. The tags of the types say the same to the strict
// way.

func (q *quick) ref(o *Ref) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "hostname":
			o.Hostname = q.string()
		default:
			q.skip()
		}
	}
}

func (q *quick) label(o *Label) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "name":
			o.Name = q.string()
		case "kernel_config":
			o.KernelConfig = q.string()
		case "platform":
			o.Platform = q.flag()
		case "invalid":
			o.Invalid = q.flag()
		case "only_if_needed":
			o.OnlyIfNeeded = q.flag()
		default:
			q.skip()
		}
	}
}

func (q *quick) user(o *User) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "login":
			o.Login = q.string()
		case "access_level":
			o.AccessLevel = q.small()
		case "reboot_before":
			o.RebootBefore = q.small()
		case "reboot_after":
			o.RebootAfter = q.small()
		case "show_experimental":
			o.ShowExperimental = q.flag()
		default:
			q.skip()
		}
	}
}

func (q *quick) group(o *ACLGroup) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "name":
			o.Name = q.string()
		case "description":
			o.Description = q.string()
		case "users":
			o.Users = listOf(q, &q.users, newUser, q.user)
		default:
			q.skip()
		}
	}
}

func (q *quick) attribute(o *Attribute) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "attribute":
			o.Attribute = q.string()
		case "value":
			o.Value = q.string()
		default:
			q.skip()
		}
	}
}

func (q *quick) keyval(o *Keyval) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "job_id":
			o.JobID = q.whole()
		case "key":
			o.Key = q.string()
		case "value":
			o.Value = q.string()
		default:
			q.skip()
		}
	}
}

func (q *quick) entry(o *Entry) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "status":
			o.Status = q.string()
		case "deleted":
			o.Deleted = q.flag()
		case "aborted":
			o.Aborted = Sent(q.flag())
		case "execution_subdir":
			o.ExecutionSubdir = q.string()
		case "started_on":
			o.StartedOn = orNull(q, q.time)
		case "finished_on":
			o.FinishedOn = orNull(q, q.time)
		case "host_id":
			o.HostID = orNull(q, q.whole)
		case "meta_host":
			o.MetaHost = Sent(orNull(q, q.oneLabel))
		default:
			q.skip()
		}
	}
}

func (q *quick) oneLabel() Label {
	l := newLabel()
	q.label(&l)
	return l
}

func (q *quick) oneRef() Ref {
	r := newRef()
	q.ref(&r)
	return r
}

func (q *quick) host(o *Host) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "hostname":
			o.Hostname = q.string()
		case "status":
			o.Status = q.string()
		case "locked":
			o.Locked = q.flag()
		case "leased":
			o.Leased = q.flag()
		case "invalid":
			o.Invalid = Sent(q.flag())
		case "dirty":
			o.Dirty = q.flag()
		case "protection":
			o.Protection = q.small()
		case "synch_id":
			o.SynchID = orNull(q, q.whole)
		case "lock_time":
			o.LockTime = orNull(q, q.time)
		case "lock_reason":
			o.LockReason = orNull(q, q.string)
		case "labels":
			o.Labels = listOf(q, &q.labels, newLabel, q.label)
		case "aclgroup_set":
			o.ACLGroups = listOf(q, &q.groups, newACLGroup, q.group)
		case "hostattribute_set":
			o.Attributes = Sent(listOf(q, &q.attributes, newAttribute, q.attribute))
		case "shard":
			o.Shard = Sent(orNull(q, q.oneRef))
		default:
			q.skip()
		}
	}
}

func (q *quick) job(o *Job) {
	for q.enter('{'); q.more('}'); {
		switch string(q.name()) {
		case "id":
			o.ID = q.whole()
		case "owner":
			o.Owner = q.string()
		case "name":
			o.Name = q.string()
		case "priority":
			o.Priority = q.small()
		case "control_file":
			o.ControlFile = orNull(q, q.string)
		case "control_type":
			o.ControlType = q.small()
		case "created_on":
			o.CreatedOn = q.time()
		case "synch_count":
			o.SynchCount = q.small()
		case "timeout":
			o.Timeout = q.small()
		case "timeout_mins":
			o.TimeoutMins = q.small()
		case "max_runtime_hrs":
			o.MaxRuntimeHrs = q.small()
		case "max_runtime_mins":
			o.MaxRuntimeMins = q.small()
		case "run_verify":
			o.RunVerify = q.flag()
		case "run_reset":
			o.RunReset = q.flag()
		case "email_list":
			o.EmailList = q.string()
		case "reboot_before":
			o.RebootBefore = q.small()
		case "reboot_after":
			o.RebootAfter = q.small()
		case "parse_failed_repair":
			o.ParseFailedRepair = q.flag()
		case "test_retry":
			o.TestRetry = q.small()
		case "require_ssp":
			o.RequireSSP = orNull(q, q.flag)
		case "dependency_labels":
			o.DependencyLabels = listOf(q, &q.labels, newLabel, q.label)
		case "hostqueueentry_set":
			o.Entries = listOf(q, &q.entries, newEntry, q.entry)
		case "jobkeyval_set":
			o.Keyvals = Sent(listOf(q, &q.keyvals, newKeyval, q.keyval))
		case "shard":
			o.Shard = Sent(orNull(q, q.oneRef))
		default:
			q.skip()
		}
	}
}
