package failover

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"shardclient/runner/binaries"
	"shardclient/runner/process"
	"shardclient/runner/wait"
)

// command is a start of shard-client; its settings come from the environment, as an operator's do.
func (p *pair) command(databaseURL string, args ...string) *exec.Cmd {
	p.t.Helper()
	cmd := exec.Command(binaries.ShardClient(p.t), args...)
	cmd.Env = append(process.Environment(os.Environ()),
		"SHARD_CLIENT_DATABASE_URL="+databaseURL, "SHARD_CLIENT_SHARD_HOSTNAME="+hostname, "SHARD_CLIENT_MASTER="+p.desk.URL,
		"SHARD_CLIENT_USER=chromeos-test", "SHARD_CLIENT_HEARTBEAT_PAUSE=50ms", "SHARD_CLIENT_STARTUP_SPLAY=0",
		"SHARD_CLIENT_DRAIN_PAUSE=10ms", "SHARD_CLIENT_LOG_LEVEL=debug")
	return cmd
}

// run starts `shard-client run` and stops it at the end.
func (p *pair) run(databaseURL string) {
	p.t.Helper()
	dir := p.t.TempDir()
	p.log = filepath.Join(dir, "client.log")
	p.client = &process.Program{Name: "client", LogDir: dir, Command: func() *exec.Cmd { return p.command(databaseURL, "run") }}
	p.must(p.client.Start())
	p.t.Cleanup(func() {
		p.client.Stop(wait.Patience)
		if p.t.Failed() {
			p.t.Logf("shard-client said:\n%s", strings.Join(p.said(), "\n"))
		}
	})
}

// said are the lines of the client.
func (p *pair) said() []string {
	p.t.Helper()
	text, err := os.ReadFile(p.log)
	p.must(err)
	return strings.Split(strings.TrimRight(string(text), "\n"), "\n")
}

// goesOn fails the test unless the client, which lost its server, beats again after at most two
// failures, which is two pauses; since is the number of lines that it had said when another server
// took writes. Failures before that say only how long the promotion took.
func (p *pair) goesOn(since int) {
	p.t.Helper()
	failed := 0
	p.until("for a heartbeat that succeeds", func(context.Context) (bool, error) {
		failed = 0
		for _, line := range p.said()[since:] {
			switch {
			case strings.Contains(line, `msg="heartbeat failed"`):
				failed++
			case strings.Contains(line, "msg=heartbeat "):
				return true, nil
			}
		}
		return false, nil
	})
	if failed > 2 {
		p.t.Errorf("%d heartbeats failed although the standby takes writes, want at most 2", failed)
	}
}

// count returns how many lines hold a text.
func (p *pair) count(since int, text string) int {
	p.t.Helper()
	return strings.Count(strings.Join(p.said()[since:], "\n"), text)
}

// mustSay fails the test unless one line holds all of the words.
func (p *pair) mustSay(since int, words ...string) {
	p.t.Helper()
	for _, line := range p.said()[since:] {
		missing := slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
		if !missing {
			return
		}
	}
	p.t.Errorf("no line with %q", words)
}

// password is the one that must not be shown.
func (p *pair) password() string {
	u, err := url.Parse(p.primary.URL(database))
	p.must(err)
	password, _ := u.User.Password()
	return password
}
