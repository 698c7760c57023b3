package rows

import (
	"bytes"
	"context"
	"math"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// KnownHosts are hosts that are here, as they are compared.
type KnownHosts struct {
	args sharddb.HostsToStoreParams
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
	count, text := pairs(h.Attributes, func(one *objects.Attribute) (string, string) { return one.Attribute, one.Value })
	a.AttributeCounts, a.Attributes = append(a.AttributeCounts, count), append(a.Attributes, text)
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
	sent := objects.Maybe[[]objects.Keyval]{Value: keyvals, Sent: j.Keyvals.Sent}
	count, text := pairs(sent, func(one *objects.Keyval) (string, string) { return one.Key, one.Value })
	k.args.KeyvalCounts, k.args.Keyvals = append(k.args.KeyvalCounts, count), append(k.args.Keyvals, text)
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

// What separates pairs, and a key from its value, stands in no attribute and no keyval of Autotest.
const (
	betweenPairs = '\x1e' // RECORD SEPARATOR
	afterKey     = '\x1f' // UNIT SEPARATOR
)

// pairs writes the attributes of a host or the keyvals of a job as HostsToStore and JobsToStore do,
// and returns how many there are: -1 if none were sent, and more than can be here if one has a
// separator in it.
func pairs[T any](list objects.Maybe[[]T], parts func(*T) (key, value string)) (count int64, text string) {
	if !list.Sent {
		return -1, ""
	}
	n := len(list.Value)
	b := make([]byte, 0, 64*n)
	for i := range list.Value {
		key, value := parts(&list.Value[i])
		b = append(append(append(append(b, key...), afterKey), value...), betweenPairs)
	}
	if bytes.Count(b, []byte{betweenPairs}) > n || bytes.Count(b, []byte{afterKey}) > n {
		return math.MaxInt64, ""
	}
	return int64(n), string(b[:max(len(b)-1, 0)])
}
