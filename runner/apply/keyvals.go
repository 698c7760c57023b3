package apply

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"shardclient/gen/sharddb"
	"shardclient/runner/aside"
	"shardclient/runner/objects"
	"shardclient/runner/reading"
	"shardclient/runner/rows"
)

// storeSuiteKeyvals stores a chunk of suite keyvals, and remembers them for jobs of this answer.
func (a *applier) storeSuiteKeyvals(
	ctx context.Context, q *sharddb.Queries, chunk []unit[objects.Keyval],
) (_ []aside.Object, left map[int64]string, err error) {
	body, err := reading.JSON(chunk)
	if err != nil {
		return nil, nil, err
	}
	found, err := q.SuiteKeyvalsLock(ctx, body)
	if err != nil {
		return nil, nil, fmt.Errorf("look for locked rows: %w", err)
	}
	left = map[int64]string{}
	for locked, i := reasons(found), 0; len(locked) > 0 && i < len(chunk); i++ {
		if reason := locked[chunk[i].Object.JobID]; reason != "" {
			left[chunk[i].ID] = reason
		}
	}
	chunk = reading.Without(chunk, left)
	if body, err = reading.JSON(chunk); err != nil {
		return nil, nil, err
	}
	if err := rows.Whole(rows.Step{Table: "afe_job_keyvals", Do: func() (int64, error) { return q.SuiteKeyvalsStore(ctx, body) }}); err != nil {
		return nil, nil, err
	}
	a.rememberSuite(chunk)
	return nil, left, forget(ctx, a, q, aside.KindSuiteKeyval, chunk)
}

// rememberSuite remembers suite keyvals that are here.
func (a *applier) rememberSuite(chunk []unit[objects.Keyval]) {
	for _, u := range chunk {
		a.suite[u.Object.JobID] = append(a.suite[u.Object.JobID], u.Ref)
	}
}

// jobKeyvals returns the keyvals of a job. Where the answer holds suite keyvals for the same job,
// these win key by key, because the original stores them after the jobs; as in SuiteKeyvalsStore,
// every row of such a key gets their value.
func (a *applier) jobKeyvals(j *objects.Job) ([]objects.Keyval, error) {
	if !j.Keyvals.Sent || len(a.suite[j.ID]) == 0 {
		return j.Keyvals.Value, nil // a list that was not sent replaces nothing
	}
	suite := map[string]string{}
	keyvals, err := a.keyvals.Read(a.suite[j.ID])
	if err != nil {
		return nil, err
	}
	for _, u := range keyvals {
		suite[u.Object.Key] = u.Object.Value
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
