package faults_test

import (
	"testing"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
	"shardclient/runner/faults"
	"shardclient/runner/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(binaries.Removed(pgtest.WithServer(m))) }

// Without a fault the lab agrees: what the other tests see is of their faults.
func TestLabAgreesWithoutFaults(t *testing.T) {
	t.Parallel()
	l := faults.NewLab(t, faults.Options{Shards: 2, FailShare: 0.2})
	for _, s := range l.Shards {
		l.CreateJobs(s, 10)
		client := l.Start(s, "run")
		faults.Eventually(t, "10 jobs on the shard", func() bool { return faults.Count(t, s.DB, "SELECT count(*) FROM afe_jobs") == 10 })
		l.Work(s)
		faults.Eventually(t, "the upload", func() bool { return len(l.Compare().Disagreements) == 0 })
		client.Stop()
	}
	l.Agree(20)
}
