package rows

import (
	"context"
	"strconv"
	"unicode/utf8"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// Known are jobs that are here, as they are compared.
type Known struct {
	args sharddb.JobsToStoreParams
	rows Jobs
}

// Add adds a job with its keyvals.
func (k *Known) Add(j *objects.Job, keyvals []objects.Keyval) {
	k.rows.addHere(j, func(int64) bool { return true })
	k.args.Owners = append(k.args.Owners, j.Owner)
	k.args.Names = append(k.args.Names, j.Name)
	k.args.CreatedOn = append(k.args.CreatedOn, Timestamp(&j.CreatedOn))
	k.args.KeyvalsSent = append(k.args.KeyvalsSent, j.Keyvals.Sent)
	var text []byte
	for i := range keyvals {
		text = appendKeyval(text, &keyvals[i])
	}
	k.args.Keyvals = append(k.args.Keyvals, string(text))
}

// Differ returns the ids of the jobs for which anything is to be written.
func (k *Known) Differ(ctx context.Context, q *sharddb.Queries) ([]int64, error) {
	args, here := k.args, &k.rows.here
	args.Ids, args.ShardSent, args.ShardIds = here.JobIds, here.ShardSent, here.ShardIds
	args.EntryJobs, args.EntryIds = here.EntryJobs, here.EntryIds
	args.AbortedSent, args.Aborted = here.AbortedSent, here.Aborted
	args.MetaHostSent, args.MetaHosts = here.MetaHostSent, here.MetaHosts
	args.LabelJobs, args.Labels = here.LabelJobs, here.Labels
	return q.JobsToStore(ctx, args)
}

// appendKeyval appends a keyval as JobsToStore writes it: the lengths make sure that no two lists are
// the same text.
func appendKeyval(text []byte, k *objects.Keyval) []byte {
	text = strconv.AppendInt(text, int64(utf8.RuneCountInString(k.Key)), 10)
	text = append(text, ' ')
	text = strconv.AppendInt(text, int64(utf8.RuneCountInString(k.Value)), 10)
	text = append(text, ' ')
	text = append(text, k.Key...)
	return append(text, k.Value...)
}
