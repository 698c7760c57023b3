package torture

import (
	"math/rand/v2"

	"shardclient/runner/master/admin"
)

// suite makes a suite of one to four jobs with one or two entries for a shard.
func (x *rack) suite(draw *rand.Rand, ids []int64) ([]int64, error) {
	board := x.victims[draw.IntN(victims)].Board
	suite := admin.NewSuite{Parent: admin.NewJob{Name: "suite", Owner: "alice", Keyvals: map[string]string{"suite": "bvt", "board": board}}}
	for range 1 + draw.IntN(4) {
		job := admin.NewJob{Name: "job", Owner: "alice", Dependencies: []string{board}, MetaHosts: []string{board}, Keyvals: map[string]string{"build": "R75"}}
		if draw.IntN(3) == 0 {
			job.MetaHosts = []string{board, board}
			job.SynchCount = draw.IntN(3)
		}
		suite.Children = append(suite.Children, job)
	}
	created, err := x.lab.People.CreateSuite(x.t.Context(), suite)
	x.jobs.Add(int64(len(created.ChildIDs)))
	return append(ids, created.ChildIDs...), err
}
