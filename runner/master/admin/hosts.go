package admin

import (
	"context"
	"fmt"

	"shardclient/gen/masterdb"
)

// NewHost is a host to add.
type NewHost struct {
	Hostname   string
	Labels     []string          // must exist
	ACLGroups  []string          // must exist; empty means Everyone, which is made if missing
	Attributes map[string]string // values by attribute
	Leased     bool              // in use by the master, as new hosts of an AFE are: it is not sent to a shard
}

// AddHosts adds hosts. Those that are not leased may be sent to a shard at once. A host that exists
// already is left alone, with its lease, labels, groups and attributes. A host with labels of two
// shards is a [*TornError].
func (a *Admin) AddHosts(ctx context.Context, hosts ...NewHost) ([]Change, error) {
	return write(ctx, a, "add hosts", func(q *masterdb.Queries) ([]Change, error) {
		byName, err := hostsByName(hosts)
		if err != nil {
			return nil, err
		}
		r, err := findRelations(ctx, q, byName)
		if err != nil {
			return nil, err
		}
		changes, err := storeHosts(ctx, q, byName)
		if err != nil {
			return nil, err
		}
		var added []int64
		for _, change := range changes {
			if change.Outcome != Unchanged {
				added = append(added, change.ID)
				r.relate(change.ID, byName[change.Name])
			}
		}
		if err := r.store(ctx, q); err != nil {
			return nil, err
		}
		return changes, checkTorn(ctx, q, added, nil)
	})
}

func hostsByName(hosts []NewHost) (map[string]NewHost, error) {
	byName := map[string]NewHost{}
	names := make([]string, len(hosts))
	for i, host := range hosts {
		names[i] = host.Hostname
		if _, twice := byName[host.Hostname]; twice {
			return nil, &InvalidError{Kind: "host", Name: host.Hostname, Cause: "it is named twice"}
		}
		byName[host.Hostname] = host
	}
	_, err := checkNames("host", names)
	return byName, err
}

// storeHosts adds the missing hosts and returns a change for each, in the order of their names.
func storeHosts(ctx context.Context, q *masterdb.Queries, byName map[string]NewHost) ([]Change, error) {
	names := sortedKeys(byName)
	leases := make([]bool, len(names))
	for i, name := range names {
		leases[i] = byName[name].Leased
	}
	outcomes := map[string]Outcome{}
	restored, err := q.AdminHostRestore(ctx, names, leases)
	if err != nil {
		return nil, fmt.Errorf("restore hosts: %w", err)
	}
	for _, row := range restored {
		outcomes[row.Hostname] = Restored
	}
	added, err := q.AdminHostAdd(ctx, names, leases)
	if err != nil {
		return nil, fmt.Errorf("store hosts: %w", err)
	}
	for _, row := range added {
		outcomes[row.Hostname] = Added
	}
	rows, err := q.AdminHostsNamed(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	ids := map[string]int64{}
	for _, row := range rows {
		ids[row.Hostname] = row.ID
	}
	changes := make([]Change, len(names))
	for i, name := range names {
		changes[i] = Change{ids[name], name, Unchanged}
		if outcome, ok := outcomes[name]; ok {
			changes[i].Outcome = outcome
		}
	}
	return changes, nil
}

// relations are the objects that new hosts refer to, and the rows to store for that.
type relations struct {
	labels     map[string]masterdb.AdminLabelsNamedRow
	groups     map[string]int64
	labelled   pairs
	grouped    pairs
	attributes masterdb.AdminHostAttributeAddParams
}

// pairs are the two columns of a relation.
type pairs struct{ hosts, others []int64 }

func (p *pairs) add(host, other int64) {
	p.hosts = append(p.hosts, host)
	p.others = append(p.others, other)
}

func findRelations(ctx context.Context, q *masterdb.Queries, hosts map[string]NewHost) (*relations, error) {
	labels, groups := map[string]bool{}, map[string]bool{}
	for _, host := range hosts {
		for _, label := range host.Labels {
			labels[label] = true
		}
		for _, group := range groupsOf(host) {
			groups[group] = true
		}
	}
	if groups[Everyone] {
		if err := ensureEveryone(ctx, q); err != nil {
			return nil, err
		}
	}
	r := &relations{}
	var err error
	if r.groups, err = groupIDs(ctx, q, sortedKeys(groups)); err != nil {
		return nil, err
	}
	r.labels, err = findLabels(ctx, q, sortedKeys(labels))
	return r, err
}

func groupsOf(host NewHost) []string {
	if len(host.ACLGroups) == 0 {
		return []string{Everyone}
	}
	return host.ACLGroups
}

func (r *relations) relate(id int64, host NewHost) {
	for _, label := range host.Labels {
		r.labelled.add(id, r.labels[label].ID)
	}
	for _, group := range groupsOf(host) {
		r.grouped.add(id, r.groups[group])
	}
	for _, attribute := range sortedKeys(host.Attributes) {
		r.attributes.HostIds = append(r.attributes.HostIds, id)
		r.attributes.Attributes = append(r.attributes.Attributes, attribute)
		r.attributes.Values = append(r.attributes.Values, host.Attributes[attribute])
	}
}

func (r *relations) store(ctx context.Context, q *masterdb.Queries) error {
	if _, err := q.AdminHostLabelAdd(ctx, r.labelled.hosts, r.labelled.others); err != nil {
		return fmt.Errorf("store labels of hosts: %w", err)
	}
	if _, err := q.AdminHostGroupAdd(ctx, r.grouped.hosts, r.grouped.others); err != nil {
		return fmt.Errorf("store ACL groups of hosts: %w", err)
	}
	if _, err := q.AdminHostAttributeAdd(ctx, r.attributes); err != nil {
		return fmt.Errorf("store attributes of hosts: %w", err)
	}
	return nil
}
