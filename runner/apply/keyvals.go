package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/objects"
)

// storeSuiteKeyvals stores a chunk of suite keyvals, and remembers those for jobs of this answer.
func (a *applier) storeSuiteKeyvals(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Keyval],
) (_ []badObject, left map[int64]string, err error) {
	body, err := jsonList(chunk)
	if err != nil {
		return nil, nil, err
	}
	rows, err := q.SuiteKeyvalsLock(ctx, body)
	if err != nil {
		return nil, nil, fmt.Errorf("look for locked rows: %w", err)
	}
	left = map[int64]string{}
	for locked, i := reasons(rows), 0; len(locked) > 0 && i < len(chunk); i++ {
		if reason := locked[chunk[i].object.JobID]; reason != "" {
			left[chunk[i].aside.ID] = reason
		}
	}
	chunk = without(chunk, left)
	if body, err = jsonList(chunk); err != nil {
		return nil, nil, err
	}
	if _, err := q.SuiteKeyvalsStore(ctx, body); err != nil {
		return nil, nil, err
	}
	a.rememberSuite(chunk)
	return nil, left, forget(ctx, a, q, kindSuiteKeyval, chunk)
}

// rememberSuite remembers suite keyvals that are here.
func (a *applier) rememberSuite(chunk []unit[objects.Keyval]) {
	for _, u := range chunk {
		job := u.object.JobID
		if _, ours := slices.BinarySearch(a.jobIDs, job); ours {
			a.suite[job] = append(a.suite[job], u.ref)
		}
	}
}

// jobKeyvals returns the keyvals of a job. Where the answer holds suite keyvals for the same job,
// these win key by key, because the original stores them after the jobs; as in SuiteKeyvalsStore,
// every row of such a key gets their value.
func (a *applier) jobKeyvals(j *objects.Job) ([]objects.Keyval, error) {
	suite := map[string]string{}
	keyvals, err := a.keyvals.read(a.suite[j.ID])
	if err != nil {
		return nil, err
	}
	for _, u := range keyvals {
		suite[u.object.Key] = u.object.Value
	}
	if !j.Keyvals.Sent || len(suite) == 0 {
		return j.Keyvals.Value, nil // a list that was not sent replaces nothing
	}
	merged := slices.Clone(j.Keyvals.Value)
	own := make(map[string]bool, len(merged))
	for i, k := range merged {
		own[k.Key] = true
		if value, found := suite[k.Key]; found {
			merged[i].Value = value
		}
	}
	for _, key := range slices.Sorted(maps.Keys(suite)) {
		if !own[key] {
			merged = append(merged, objects.Keyval{Key: key, Value: suite[key]})
		}
	}
	return merged, nil
}
