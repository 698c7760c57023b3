package objects

import "fmt"

// The checks of this file refuse an object without the fields for which no default is right: ids,
// natural keys, the owner, name and creation of a job, the status of an entry (docs/protocol.md,
// "Tables"). Each check returns the object's id too.

// check returns the id of an object, and what is wrong with it.
func check[T any](object *T) (int64, error) {
	switch o := any(object).(type) {
	case *Host:
		return o.check()
	case *Job:
		return o.check()
	case *Keyval:
		return o.checkSuite()
	case *int64:
		return checkID(o)
	}
	return 0, fmt.Errorf("a %T is not read by itself", *object)
}

func (h *Host) check() (int64, error) {
	var c checker
	c.id(h.ID, "id")
	c.present(h.Hostname, "hostname")
	c.shard(h.Shard)
	for i := range h.Labels {
		c.label(&h.Labels[i], "labels[%d]", i)
	}
	for i, group := range h.ACLGroups {
		c.id(group.ID, "aclgroup_set[%d].id", i)
		c.present(group.Name, "aclgroup_set[%d].name", i)
		for k, user := range group.Users {
			c.id(user.ID, "aclgroup_set[%d].users[%d].id", i, k)
			c.present(user.Login, "aclgroup_set[%d].users[%d].login", i, k)
		}
	}
	return h.ID, c.err
}

func (j *Job) check() (int64, error) {
	var c checker
	c.id(j.ID, "id")
	c.present(j.Owner, "owner")
	c.present(j.Name, "name")
	if j.CreatedOn.IsZero() {
		c.fail("is missing", "created_on")
	}
	c.shard(j.Shard)
	for i := range j.DependencyLabels {
		c.label(&j.DependencyLabels[i], "dependency_labels[%d]", i)
	}
	seen := make(map[int64]bool, len(j.Entries))
	for i := range j.Entries {
		entry := &j.Entries[i]
		c.id(entry.ID, "hostqueueentry_set[%d].id", i)
		c.present(entry.Status, "hostqueueentry_set[%d].status", i)
		if entry.HostID != nil {
			c.id(*entry.HostID, "hostqueueentry_set[%d].host_id", i)
		}
		if meta := entry.MetaHost.Value; meta != nil {
			c.label(meta, "hostqueueentry_set[%d].meta_host", i)
		}
		if seen[entry.ID] {
			c.fail(fmt.Sprintf("entry %d stands in the job twice", entry.ID), "hostqueueentry_set[%d].id", i)
		}
		seen[entry.ID] = true
	}
	return j.ID, c.err
}

func (k *Keyval) checkSuite() (int64, error) {
	var c checker
	c.id(k.JobID, "job_id")
	return k.ID, c.err
}

func checkID(id *int64) (int64, error) {
	var c checker
	c.id(*id, "id")
	return *id, c.err
}

// checker keeps the first error. The path of a field is given as a format and its indices, because
// spelling it out for each good field would cost more than the check.
type checker struct{ err error }

func (c *checker) fail(reason, path string, indices ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%s: %s", fmt.Sprintf(path, indices...), reason)
	}
}

func (c *checker) id(id int64, path string, indices ...any) {
	switch {
	case id == missingID:
		c.fail("is missing", path, indices...)
	case id <= 0:
		c.fail(fmt.Sprintf("want a positive id, got %d", id), path, indices...)
	}
}

func (c *checker) present(value, path string, indices ...any) {
	if value == missing {
		c.fail("is missing", path, indices...)
	}
}

func (c *checker) label(l *Label, path string, indices ...any) {
	if l.ID <= 0 || l.Name == missing {
		c.id(l.ID, path+".id", indices...)
		c.present(l.Name, path+".name", indices...)
	}
}

func (c *checker) shard(ref Maybe[*Ref]) {
	if ref.Value != nil {
		c.id(ref.Value.ID, "shard.id")
		c.present(ref.Value.Hostname, "shard.hostname")
	}
}
