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
type KnownHosts struct {
	args  sharddb.HostsToStoreParams
	pairs pairs // of the host that was added last
}

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
	k.pairs = k.pairs[:0]
	for _, one := range h.Attributes.Value {
		k.pairs = append(k.pairs, pair{one.Attribute, one.Value})
	}
	a.Attributes = append(a.Attributes, k.pairs.text())
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
	args  sharddb.JobsToStoreParams
	rows  Jobs
	pairs pairs // of the job that was added last
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
	k.pairs = k.pairs[:0]
	for i := range keyvals {
		k.pairs = append(k.pairs, pair{keyvals[i].Key, keyvals[i].Value})
	}
	k.args.Keyvals = append(k.args.Keyvals, k.pairs.text())
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

// pairs are the attributes of a host or the keyvals of a job.
type pairs []pair

type pair struct{ key, value string }

// text returns pairs as HostsToStore and JobsToStore write them: sorted, because they may have come
// here in another order, and with lengths, so that no two lists are the same text.
func (p pairs) text() string {
	slices.SortFunc(p, func(x, y pair) int { return cmp.Or(cmp.Compare(x.key, y.key), cmp.Compare(x.value, y.value)) })
	text := make([]byte, 0, 64*len(p))
	for _, one := range p {
		text = append(strconv.AppendInt(text, int64(utf8.RuneCountInString(one.key)), 10), ' ')
		text = append(strconv.AppendInt(text, int64(utf8.RuneCountInString(one.value)), 10), ' ')
		text = append(append(text, one.key...), one.value...)
	}
	return string(text)
}
