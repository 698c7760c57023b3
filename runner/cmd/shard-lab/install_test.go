package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
)

// indented is an example of a list: its lines, that far to the right.
var indented = regexp.MustCompile(`(?m)^       \S.*\n(?:       .*\n)*`)

// The steps of docs/install.md, up to those that want root and systemd, which make dist-test takes.
// Only the addresses are others.
func TestStepsOfTheInstallation(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Steps\n")
	section, _, _ = strings.Cut(section, "\n## ")
	steps := indented.FindAllString(section, -1)
	for i, step := range steps {
		steps[i] = regexp.MustCompile(`(?m)^ {7}`).ReplaceAllString(step, "")
	}
	if len(steps) != 5 || !strings.Contains(steps[3], "/etc/credstore") || !strings.Contains(steps[4], "systemctl") {
		t.Fatalf("%d examples, want 3 to type, and two for systemd: %q", len(steps), steps)
	}
	server, err := postgres.Start(t.Context(), postgres.Options{TCP: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	path := filepath.Dir(binaries.ShardClient(t)) + ":" + filepath.Dir(server.Program("psql")) + ":" + os.Getenv("PATH")
	_, port, _ := strings.Cut(server.Address(), ":")
	d := newDesk(t, "PATH="+path, "PGHOST="+server.Directory(), "PGPORT="+port)
	address := freePort(t)
	newDesk(t, "SHARD_LAB_DATABASE_URL="+pgtest.Database(t)).leaves(`
bin/shard-lab label add board:eve
bin/shard-lab shard add shard1.example --label board:eve
bin/shard-lab user add chromeos-test --superuser
bin/shard-lab master --listen 127.0.0.1:`+address, "http://")

	d.does("export PGUSER=shard PGDATABASE=postgres\n" + steps[0])
	d.does(steps[1], "PGHOST=localhost ", "")
	if err := os.WriteFile(filepath.Join(d.directory, "shard-client.env"), []byte(steps[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	anywhere := regexp.MustCompile("Anywhere else: `([^`]+)`").FindStringSubmatch(section)
	if anywhere == nil {
		t.Fatal("the steps do not say what to do without shard-clientctl")
	}
	d.does("sed -i 's|@localhost/|@/|; s|master.example|127.0.0.1:" + address + "|' shard-client.env")
	for _, command := range []string{"check", "once"} {
		if text := d.does(anywhere[1] + "\nshard-client " + command); !strings.Contains(text, "ok") {
			t.Errorf("%s: %s", command, text)
		}
	}
	// Of the pair of servers in the same document, the first is down.
	pair := regexp.MustCompile(`(?m)^    (SHARD_CLIENT_DATABASE_URL=.*@db1:5432,db2:5432/.*)$`).FindStringSubmatch(string(text))
	if pair == nil {
		t.Fatal("the document names no pair of servers")
	}
	d.does("export PGUSER=shard PGDATABASE=postgres\npsql --quiet --command \"ALTER ROLE shard_client PASSWORD 'PASSWORD'\"")
	output := d.does(anywhere[1]+"\n"+pair[1]+"\nexport SHARD_CLIENT_DATABASE_URL\nshard-client once", "db1:5432,db2:5432", "127.0.0.1:"+freePort(t)+","+server.Address())
	if !strings.Contains(output, "ok") {
		t.Errorf("once, with a pair of servers: %s", output)
	}
}
