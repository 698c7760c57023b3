package faults_test

import (
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(binaries.WithBinaries(pgtest.WithServer(m))) }

// Without a fault the lab agrees: what the other tests see is of their faults.
func TestLabAgreesWithoutFaults(t *testing.T) {
	t.Parallel()
	l := faults.NewLab(t, faults.Options{Shards: 2, FailShare: 0.2})
	for _, s := range l.Shards {
		l.CreateJobs(s, 10)
		client := l.Start(s, "run")
		wait.Until(t, "10 jobs on the shard", func() bool { return pgtest.Query[int](t, s.DB, "SELECT count(*) FROM afe_jobs") == 10 })
		l.Work(s)
		wait.Until(t, "the upload", func() bool { return len(l.Compare().Disagreements) == 0 })
		client.Stop()
	}
	l.Agree(20)
}
