package rows

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"unicode/utf8"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// KnownHosts are hosts that are here, as they are compared.
type KnownHosts struct{ args sharddb.HostsToStoreParams }

// Add adds a host.
func (k *KnownHosts) Add(h *objects.Host) {
	a := &k.args
	a.Ids = append(a.Ids, h.ID)
	a.Hostnames = append(a.Hostnames, h.Hostname)
	a.InvalidSent = append(a.InvalidSent, h.Invalid.Sent)
	a.Invalid = append(a.Invalid, h.Invalid.Value)
	a.ShardSent = append(a.ShardSent, h.Shard.Sent)
	a.ShardIds = append(a.ShardIds, orZero(shardID(h.Shard)))
	a.AttributesSent = append(a.AttributesSent, h.Attributes.Sent)
	sorted := slices.SortedFunc(slices.Values(h.Attributes.Value), func(x, y objects.Attribute) int {
		return cmp.Or(cmp.Compare(x.Attribute, y.Attribute), cmp.Compare(x.Value, y.Value))
	})
	var text []byte
	for _, one := range sorted {
		text = appendPair(text, one.Attribute, one.Value)
	}
	a.Attributes = append(a.Attributes, string(text))
	for i := range h.Labels {
		a.LabelHosts = append(a.LabelHosts, h.ID)
		a.Labels = append(a.Labels, h.Labels[i].ID)
	}
	for i := range h.ACLGroups {
		a.GroupHosts = append(a.GroupHosts, h.ID)
		a.Aclgroups = append(a.Aclgroups, h.ACLGroups[i].ID)
	}
}

// Differ returns the ids of the hosts for which anything is to be written.
func (k *KnownHosts) Differ(ctx context.Context, q *sharddb.Queries) ([]int64, error) {
	return q.HostsToStore(ctx, k.args)
}

// KnownJobs are jobs that are here, as they are compared.
type KnownJobs struct {
	args sharddb.JobsToStoreParams
	rows Jobs
	text []byte // of the keyvals that were added last
}

// NewKnownJobs returns no jobs, with room for what is long of some.
func NewKnownJobs(most int) *KnownJobs {
	k := &KnownJobs{}
	a, here := &k.args, &k.rows.here
	makeRoom(most, &a.Owners, &a.Names, &a.Keyvals)
	makeRoom(most, &a.CreatedOn)
	makeRoom(most, &here.JobIds, &here.ShardIds)
	makeRoom(2*most, &here.EntryJobs, &here.EntryIds, &here.HostIds, &here.MetaHosts, &here.LabelJobs, &here.Labels)
	return k
}

func makeRoom[T any](most int, lists ...*[]T) {
	for _, list := range lists {
		*list = make([]T, 0, most)
	}
}

// Add adds a job with its keyvals.
func (k *KnownJobs) Add(j *objects.Job, keyvals []objects.Keyval) {
	k.rows.addHere(j, func(int64) bool { return true })
	k.args.Owners = append(k.args.Owners, j.Owner)
	k.args.Names = append(k.args.Names, j.Name)
	k.args.CreatedOn = append(k.args.CreatedOn, Timestamp(&j.CreatedOn))
	k.args.KeyvalsSent = append(k.args.KeyvalsSent, j.Keyvals.Sent)
	k.text = k.text[:0]
	for i := range keyvals {
		k.text = appendPair(k.text, keyvals[i].Key, keyvals[i].Value)
	}
	k.args.Keyvals = append(k.args.Keyvals, string(k.text))
}

// Differ returns the ids of the jobs for which anything is to be written.
func (k *KnownJobs) Differ(ctx context.Context, q *sharddb.Queries) ([]int64, error) {
	args, here := k.args, &k.rows.here
	args.Ids, args.ShardSent, args.ShardIds = here.JobIds, here.ShardSent, here.ShardIds
	args.EntryJobs, args.EntryIds = here.EntryJobs, here.EntryIds
	args.AbortedSent, args.Aborted = here.AbortedSent, here.Aborted
	args.MetaHostSent, args.MetaHosts = here.MetaHostSent, here.MetaHosts
	args.LabelJobs, args.Labels = here.LabelJobs, here.Labels
	return q.JobsToStore(ctx, args)
}

// appendPair appends a key and its value as HostsToStore and JobsToStore write them: the lengths
// make sure that no two lists are the same text.
func appendPair(text []byte, key, value string) []byte {
	text = strconv.AppendInt(text, int64(utf8.RuneCountInString(key)), 10)
	text = append(text, ' ')
	text = strconv.AppendInt(text, int64(utf8.RuneCountInString(value)), 10)
	text = append(text, ' ')
	text = append(text, key...)
	return append(text, value...)
}
