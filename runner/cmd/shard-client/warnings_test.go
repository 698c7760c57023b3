package main

import (
	"bytes"
	"crypto/tls"
	"os"
	"strings"
	"testing"
	"time"
)

// invokeAsRoot runs shard-client as if root had started it.
func invokeAsRoot(args ...string) ended {
	var stdout, stderr bytes.Buffer
	began := time.Now()
	code := (&program{began: began, stdout: &stdout, stderr: &stderr, root: true}).run(args)
	return ended{code, stdout.String(), stderr.String(), time.Since(began)}
}

// A start that is less safe than it could be logs so in one line, and works all the same.
func TestWarnings(t *testing.T) {
	databaseURL, _ := database(t)
	withPassword := databaseURL + "&password=CANARY"
	open, closed := secretFile(t, "CANARY"), secretFile(t, "CANARY")
	if err := os.Chmod(open, 0o640); err != nil {
		t.Fatal(err)
	}
	ours := newAuthority(t)
	client := ours.issue("shard1")
	if err := os.Chmod(client.key, 0o604); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		databaseURL string
		more        []string
		variables   map[string]string
		as          func(...string) ended
		want        string
		ofRun       bool // `once` does not warn
	}{
		"nothing to warn of": {databaseURL: databaseURL, more: []string{"--database-password-file", closed}},
		"root": {
			databaseURL: databaseURL, as: invokeAsRoot,
			want: `msg="running as root" hint="shard-client needs no rights of root, ` +
				`and a fault in it would have them all: set User= in its systemd unit`,
			ofRun: true,
		},
		"password on command line": {
			databaseURL: withPassword,
			want: `msg="a password stands on the command line" flag=--database-url ` +
				`hint="every user of this machine sees it in ps`,
		},
		"misspelt variable": {
			databaseURL: databaseURL, variables: map[string]string{"SHARD_CLIENT_HEARTBEAT_PAUSES": "7s", "SHARD_CLIENT_URL": "x"},
			want: `msg="environment variables that set nothing" names="SHARD_CLIENT_HEARTBEAT_PAUSES (did you mean SHARD_CLIENT_HEARTBEAT_PAUSE?), SHARD_CLIENT_URL" hint=`,
		},
		"password in variable": {variables: map[string]string{"SHARD_CLIENT_DATABASE_URL": withPassword}},
		"password file": {databaseURL: databaseURL, more: []string{"--database-password-file", open},
			want: `msg="a file with a secret is open to other users" setting=--database-password-file file=` + open +
				` mode=0640 hint="chmod 600 ` + open + `"`},
		"PGPASSFILE": {databaseURL: databaseURL, variables: map[string]string{"PGPASSFILE": open},
			want: `setting=PGPASSFILE file=` + open + ` mode=0640`},
		"key of a client": {databaseURL: databaseURL, more: []string{"--client-cert", client.cert, "--client-key", client.key},
			want: `setting=--client-key file=` + client.key + ` mode=0604`},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range tt.variables {
				t.Setenv(variable, value)
			}
			args := []string{"--shard-hostname", ourShard, "--startup-splay=90000h", "--lifetime=300ms", "--master"}
			if tt.as == nil {
				tt.as = invoke
			}
			if tt.databaseURL != "" {
				tt.more = append(tt.more, "--database-url", tt.databaseURL)
			}
			more := append([]string{ours.secureMaster(answers(nothing), &tls.Config{}).URL, "--ca-file", ours.file}, tt.more...)
			for _, command := range []string{"once", "run"} {
				e := tt.as(append(append([]string{command}, args...), more...)...).want(t, exitOK)
				warned := strings.Count(e.stderr, "level=WARN")
				text := tt.want
				if tt.ofRun && command == "once" {
					text = ""
				}
				if want := min(len(text), 1); warned != want || !strings.Contains(e.stderr, text) {
					t.Errorf("%s: %d warnings, want %d that says %s: %v", command, warned, want, text, e)
				}
				if command == "run" {
					e.silent(t)
				}
			}
			// The short commands of an operator do not warn.
			if e := tt.as(append([]string{"quarantine", "list"}, tt.more...)...).want(t, exitOK); e.stderr != "" {
				t.Errorf("quarantine list: %v", e)
			}
		})
	}
}
