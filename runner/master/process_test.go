package master_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/binaries"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// startProcess runs `shard-lab master`. It is stopped after the test by SIGTERM, and has to end
// well.
func startProcess(t testing.TB, program, databaseURL string, protocol afe.Protocol) (url string) {
	t.Helper()
	cmd := exec.Command(program, "master", "--listen", "127.0.0.1:0", "--protocol", string(protocol), "--log-level", "warn")
	cmd.Env = append(os.Environ(), "SHARD_LAB_DATABASE_URL="+databaseURL)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // or it has ended, as Wait tells
		if err := cmd.Wait(); err != nil {
			t.Errorf("shard-lab master: %v\n%s", err, &stderr)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("shard-lab master printed no URL: %v", err)
	}
	return strings.TrimSuffix(line, "\n") + master.Path
}

// What TestConcurrentHeartbeatsShareNothing shows, with master processes as an operator starts
// them: nothing but the database connects them.
func TestMasterProcessesShareNothing(t *testing.T) {
	const n, rounds = 20, 12
	program := binaries.ShardLab(t)
	for _, protocol := range protocols {
		databaseURL := pgtest.Database(t)
		pool := widePool(t, databaseURL)
		loadShared(t, pool, n)
		loadThirdShard(t, pool)
		urls := []string{startProcess(t, program, databaseURL, protocol), startProcess(t, program, databaseURL, protocol)}
		for round := range rounds {
			owner := []any{nil, 1, 2}[round%3]
			pgtest.Exec(t, pool, "UPDATE afe_hosts SET shard_id = $1", owner)
			pgtest.Exec(t, pool, "UPDATE afe_jobs SET shard_id = $1", owner)
			replies := together(t, pool, sixBeats(urls, fmt.Sprintf("user-%d", round/2)))
			for _, section := range []string{"hosts", "jobs"} {
				sharedBy(t, replies, section, n, fmt.Sprintf("%s, round %d, of shard %v before", protocol, round, owner))
			}
		}
	}
}
