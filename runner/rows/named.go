package rows

import (
	"fmt"

	"shardclient/runner/objects"
)

// HostAgrees returns an error if a host names something by another name than an object before it in
// the response: a label that was renamed meanwhile, or another user with the id. To believe both
// would give to the one what belongs to the other, such as the memberships of a user, for good.
func (p Parents) HostAgrees(h *objects.Host) error {
	err := p.shardAgrees(h.Shard.Value)
	for i := 0; i < len(h.Labels) && err == nil; i++ {
		err = p.agrees(labelKind, h.Labels[i].ID, h.Labels[i].Name)
	}
	for i := 0; i < len(h.ACLGroups) && err == nil; i++ {
		g := &h.ACLGroups[i]
		err = p.agrees(groupKind, g.ID, g.Name)
		for j := 0; j < len(g.Users) && err == nil; j++ {
			err = p.agrees(userKind, g.Users[j].ID, g.Users[j].Login)
		}
	}
	return err
}

// JobAgrees does for a job what [Parents.HostAgrees] does for a host.
func (p Parents) JobAgrees(j *objects.Job) error {
	err := p.shardAgrees(j.Shard.Value)
	for i := 0; i < len(j.DependencyLabels) && err == nil; i++ {
		err = p.agrees(labelKind, j.DependencyLabels[i].ID, j.DependencyLabels[i].Name)
	}
	for i := 0; i < len(j.Entries) && err == nil; i++ {
		if label := j.Entries[i].MetaHost.Value; label != nil {
			err = p.agrees(labelKind, label.ID, label.Name)
		}
	}
	return err
}

func (p Parents) shardAgrees(ref *objects.Ref) error {
	if ref == nil {
		return nil
	}
	return p.agrees(shardKind, ref.ID, ref.Hostname)
}

func (p Parents) agrees(kind int, id int64, name string) error {
	if before, found := p.named[kind][id]; found && before.Name != name {
		return fmt.Errorf("another %s with id %d came first in this response: %q, and this object names %q", parentKinds[kind], id, before.Name, name)
	}
	return nil
}

// AddHost adds what a host names.
func (p Parents) AddHost(h *objects.Host) {
	p.addShard(h.Shard.Value, Parents{})
	p.addLabels(h.Labels, Parents{})
	for _, g := range h.ACLGroups {
		for _, u := range g.Users {
			p.add(userKind, u.ID, u.Login, u)
			p.members[member{g.ID, u.ID}] = true
		}
		g.Users = nil
		p.add(groupKind, g.ID, g.Name, g)
	}
}

// AddJob adds what a job names and is not known.
func (p Parents) AddJob(j *objects.Job, known Parents) {
	p.addShard(j.Shard.Value, known)
	p.addLabels(j.DependencyLabels, known)
	for i := range j.Entries {
		if label := j.Entries[i].MetaHost.Value; label != nil {
			p.addLabels([]objects.Label{*label}, known)
		}
	}
}

func (p Parents) addShard(ref *objects.Ref, known Parents) {
	if ref != nil && !known.has(shardKind, ref.ID, ref.Hostname) {
		p.add(shardKind, ref.ID, ref.Hostname, ref)
	}
}

func (p Parents) addLabels(labels []objects.Label, known Parents) {
	for i := range labels {
		if l := &labels[i]; !known.has(labelKind, l.ID, l.Name) {
			p.add(labelKind, l.ID, l.Name, *l)
		}
	}
}

// has reports whether a parent is known under this name.
func (p Parents) has(kind int, id int64, name string) bool {
	known, found := p.named[kind][id]
	return found && known.Name == name
}
