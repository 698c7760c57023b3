package admin_test

import (
	"fmt"
	"testing"

	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
)

// A suite with 10,000 children.
func BenchmarkSuite(b *testing.B) {
	const n = 10_000
	a, err := admin.New(pgtest.Pool(b))
	if err != nil {
		b.Fatal(err)
	}
	ctx := b.Context()
	if _, err := a.AddLabels(ctx, admin.NewLabel{Name: "board:a"}, admin.NewLabel{Name: "pool:x"}); err != nil {
		b.Fatal(err)
	}
	suite := admin.NewSuite{Parent: admin.NewJob{Name: "s", Owner: "o"}}
	for i := range n {
		suite.Children = append(suite.Children, admin.NewJob{
			Name: fmt.Sprintf("s/%d", i), Owner: "o", Dependencies: []string{"board:a", "pool:x"}, MetaHosts: []string{"board:a"},
			ControlFile: "job.run_test('dummy_Pass')", Keyvals: map[string]string{"build": "R1", "suite": "s"},
		})
	}
	for b.Loop() {
		if _, err := a.CreateSuite(ctx, suite); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(n*float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}
