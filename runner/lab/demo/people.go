package demo

import (
	"context"
	"fmt"

	"shardclient/runner/master/admin"
)

// owner is the user who owns the suites, and who aborts some jobs.
const owner = "chromeos-test"

// poolLabel is carried by every host.
const poolLabel = "pool:suites"

func boardLabel(board string) string { return "board:" + board }

// addShard gives a board its shard, its hosts and a database.
func (s *stage) addShard(ctx context.Context, hostname, board string, hostCount int) error {
	db, err := s.database(ctx, hostname)
	if err != nil {
		return err
	}
	s.shards = append(s.shards, &shard{hostname: hostname, board: board, db: db})
	labels := []admin.NewLabel{{Name: boardLabel(board)}, {Name: poolLabel}}
	if _, err := s.people.AddLabels(ctx, labels...); err != nil {
		return err
	}
	if _, err := s.people.AddShard(ctx, hostname, boardLabel(board)); err != nil {
		return err
	}
	hosts := make([]admin.NewHost, hostCount)
	for i := range hosts {
		hosts[i] = admin.NewHost{
			Hostname:   hostOf(board, i+1),
			Labels:     []string{boardLabel(board), poolLabel},
			Attributes: map[string]string{"serials": fmt.Sprintf("%s-%04d", board, i+1)},
		}
	}
	_, err = s.people.AddHosts(ctx, hosts...)
	return err
}

func hostOf(board string, number int) string {
	return fmt.Sprintf("chromeos1-%s-host%d", board, number)
}

// createSuite makes a suite for a board. Some of its jobs need two hosts at once.
func (s *stage) createSuite(ctx context.Context, board string, number, children int) (admin.CreatedSuite, error) {
	label := boardLabel(board)
	suite := admin.NewSuite{Parent: admin.NewJob{
		Name: fmt.Sprintf("suite %d of %s", number, board), Owner: owner,
		Keyvals: map[string]string{"suite": "bvt", "board": board},
	}}
	for i := range children {
		child := admin.NewJob{
			Name: fmt.Sprintf("test %d of suite %d", i+1, number), Owner: owner, ControlFile: "# a test\n",
			Dependencies: []string{poolLabel, label}, MetaHosts: []string{label},
			Keyvals: map[string]string{"label": fmt.Sprintf("%s/test%d", board, i+1)},
		}
		if i%pairedEvery == 0 {
			child.MetaHosts, child.SynchCount = []string{label, label}, 2
		}
		suite.Children = append(suite.Children, child)
	}
	return s.people.CreateSuite(ctx, suite)
}
