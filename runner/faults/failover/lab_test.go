package failover

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/postgres"
	"shardclient/runner/process"
	"shardclient/runner/wait"
)

// lab starts `shard-lab ARGS` on both servers and stops it at the end. It returns a look at what it
// prints.
func (p *pair) lab(args ...string) (said func() string) {
	p.t.Helper()
	dir := p.t.TempDir()
	program := &process.Program{Name: "lab", LogDir: dir, Command: func() *exec.Cmd {
		cmd := exec.Command(binaries.ShardLab(p.t), args...)
		cmd.Env = append(process.Environment(os.Environ()), "SHARD_LAB_DATABASE_URL="+p.both())
		return cmd
	}}
	p.must(program.Start())
	said = func() string {
		text, err := os.ReadFile(filepath.Join(dir, "lab.log"))
		p.must(err)
		return string(text)
	}
	p.t.Cleanup(func() {
		program.Stop(wait.Patience)
		if p.t.Failed() {
			p.t.Logf("shard-lab %s said:\n%s", strings.Join(args, " "), said())
		}
	})
	return said
}

// demote promotes the standby and leaves the old primary alive, taking no writes.
func (p *pair) demote() {
	p.t.Helper()
	p.replicated()
	p.must(p.standby.Promote(p.t.Context()))
	p.execute(p.primary, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
	// The setting reaches each session when it is idle; a new one has it from the start.
	p.wait(p.primary, "for the old primary to take no writes", "SELECT current_setting('transaction_read_only') = 'on'")
}

// The toy scheduler has nothing to write when its server is demoted. It finds the other one, and
// the entry that only that one has.
func TestSchedulerLeavesAReadOnlyServer(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.execute(p.primary, `INSERT INTO afe_labels (id, name) VALUES (1, 'board:eve')`,
		`INSERT INTO afe_acl_groups (id, name) VALUES (1, 'Everyone')`,
		`INSERT INTO afe_hosts (id, hostname, leased) VALUES (1, 'h1', false)`,
		`INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 1)`,
		`INSERT INTO afe_acl_groups_hosts (host_id, aclgroup_id) VALUES (1, 1)`)
	p.lab("scheduler", "--tick", "10ms", "--fail-share", "0")
	open := func(server *postgres.Server, id int) {
		p.execute(server, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
			"INSERT INTO afe_jobs (id, owner, name, created_on) SELECT max(coalesce(id, 0)) + 1, 'alice', 'j', now() FROM (SELECT id FROM afe_jobs UNION ALL SELECT 0) AS j",
			"INSERT INTO afe_host_queue_entries (id, job_id, status, meta_host) SELECT max(id), max(id), 'Queued', 1 FROM afe_jobs")
		p.wait(server, "for the entry to end", "SELECT complete FROM afe_host_queue_entries WHERE id = $1", id)
	}
	open(p.primary, 1)
	p.wait(p.primary, "for the host to be free", "SELECT NOT leased FROM afe_hosts")
	p.demote()
	open(p.standby, 2)
}

// The reference master leaves it with the first heartbeat that writes, or that names a shard which
// only the new primary has.
func TestMasterLeavesAReadOnlyServer(t *testing.T) {
	for name, hostname := range map[string]string{"a known shard": "old.example", "a new shard": "new.example"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.execute(p.primary, "INSERT INTO afe_shards (hostname) VALUES ('old.example')")
			said := p.lab("master", "--listen", "127.0.0.1:0")
			p.until("for the master's URL", func(context.Context) (bool, error) { return strings.Contains(said(), "http://"), nil })
			_, url, _ := strings.Cut(said(), "http://")
			url, _, _ = strings.Cut(url, "\n")
			beats := func(hostname string) (string, error) { return p.beat("http://"+url, hostname) }
			if answer, err := beats("old.example"); err != nil || !strings.Contains(answer, `"error": null`) {
				t.Fatalf("%v %s", err, answer)
			}
			p.demote()
			p.execute(p.standby, "INSERT INTO afe_shards (hostname) VALUES ('new.example')")
			failed := 0
			p.until("for a heartbeat that succeeds", func(context.Context) (bool, error) {
				answer, err := beats(hostname)
				if err == nil && strings.Contains(answer, `"error": null`) {
					return true, nil
				}
				failed++
				return false, err
			})
			// Both the session's own view of the setting and the second connection may be late by
			// one.
			if failed == 0 || !strings.Contains(said(), "takes no writes") {
				t.Errorf("%d heartbeats failed, and the log says:\n%s", failed, said())
			}
			// Administration goes past the old primary, which is first in the URL.
			list := exec.Command(binaries.ShardLab(t), "shard", "list")
			list.Env = append(process.Environment(os.Environ()), "SHARD_LAB_DATABASE_URL="+p.both())
			if out, err := list.CombinedOutput(); err != nil || !strings.Contains(string(out), "new.example") {
				t.Errorf("shard list: %v\n%s", err, out)
			}
		})
	}
}
