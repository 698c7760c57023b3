package bench_test

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/lab/bench"
)

func TestMain(m *testing.M) { os.Exit(binaries.WithBinaries(m).Run()) }

// Ten jobs through everything: a real client, a real server, all that is counted. Only what is
// counted is certain here; a time is whatever this machine makes it.
func TestBench(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	b := bench.Bench{
		Client: binaries.ShardClient(t), Base: binaries.ShardClient(t), Lab: binaries.ShardLab(t),
		Jobs: []int{10}, Rounds: 1, Finished: 10, Beats: 50, Quick: true, Only: []string{"apply", "idle", "pack", "master", "peers", "growth"},
		Out: &out, Logger: slog.New(slog.DiscardHandler),
	}
	// Whether shard-client keeps within its limits is not for this test to say.
	var limit *bench.LimitError
	if err := b.Run(t.Context()); err != nil && !errors.As(err, &limit) {
		t.Errorf("%v\n%s", err, &out)
	}
	for _, want := range []string{
		"apply of 10 jobs", "whole beat of 10 jobs", "rows that the same answer rewrites, 10 jobs",
		"round trips of an idle beat", "pack of 10 open jobs", "1,000 finished jobs stored", `psql's \copy`,
		"resident memory after 50 idle beats / after 10",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}
