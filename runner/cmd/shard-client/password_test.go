package main

import (
	"os"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

// oddPassword has every character that must be escaped in a URL, a key=value list or a pgpass file.
const oddPassword = `CANARY/%&+"\:'@ #?x`

// wordPassword is an ordinary word, and passwords are the two.
const wordPassword = "canary"

var passwords = []string{oddPassword, wordPassword}

// Every command that uses the database reads the password from the file.
func TestDatabasePasswordFile(t *testing.T) {
	t.Setenv("PGPASSWORD", "not this one")
	s := securedDatabase(t, oddPassword)
	m := master(t, answers(jobs(1)))
	more := []string{"--database-password-file", secretFile(t, oddPassword+"\n")}
	for _, args := range [][]string{
		{"migrate", "up"}, {"migrate", "down"}, {"migrate", "status"}, {"migrate", "up"},
		once(m, s.url("")), runArgs(m, s.url(""), "--lifetime=1ms"), {"quarantine", "list"},
	} {
		if args[0] == "migrate" || args[0] == "quarantine" {
			args = append(args, "--database-url", s.url(""))
		}
		invoke(append(args, more...)...).want(t, exitOK)
	}
	invoke(once(m, s.url(""))...).want(t, exitFailed).says(t, "password authentication failed")
	invoke(once(m, s.url(oddPassword), "--database-password-file", secretFile(t, "nor this one"))...).want(t, exitOK)
}

// A password that nobody has given is another thing to mend than one that is wrong.
func TestNoPasswordIsNoWrongOne(t *testing.T) {
	t.Setenv("PGPASSWORD", "")
	t.Setenv("PGPASSFILE", "/no/such/file")
	s := securedDatabase(t, oddPassword)
	for password, want := range map[string]string{"": "hint: give the password of this role: none is set", "wrong": "hint: correct the password"} {
		invoke("quarantine", "list", "--database-url", s.url(password)).want(t, exitFailed).says(t, want)
	}
}

// A file that cannot be used is a mistake in the settings for all of these commands.
func TestUnusableDatabasePasswordFile(t *testing.T) {
	t.Parallel()
	m := master(t, answers(nothing))
	for _, path := range []string{"/no/such/file", secretFile(t, "")} {
		for _, args := range [][]string{once(m, "postgres://h/d"), runArgs(m, "postgres://h/d"), {"migrate", "up", "--database-url=postgres://h/d"},
			{"migrate", "status", "--database-url=postgres://h/d"}, {"quarantine", "list", "--database-url=postgres://h/d"}} {
			invoke(append(args, "--database-password-file", path)...).want(t, exitUsage).silent(t).says(t, "--database-password-file", path)
		}
	}
}

func TestPGPASSFILE(t *testing.T) {
	s := securedDatabase(t, oddPassword)
	t.Setenv("PGPASSFILE", s.passfile(oddPassword))
	invoke("migrate", "up", "--database-url", s.url("")).want(t, exitOK)
	invoke(once(master(t, answers(nothing)), s.url(""))...).want(t, exitOK)
}

// A password is changed on the server and in its file, and connections break: the client that is
// running goes on with the new password, for its beats and for its lock. While the file is missing,
// its beats fail and it goes on.
func TestRotatedDatabasePassword(t *testing.T) {
	t.Parallel()
	s := securedDatabase(t, "CANARY1")
	path := secretFile(t, "CANARY1\n")
	invoke("migrate", "up", "--database-url", s.url(""), "--database-password-file", path).want(t, exitOK)
	m := master(t, answers(nothing))
	p := startRun(t, m, s.url(""), "--database-password-file", path)
	beats := func(outcome string) int {
		return pgtest.Query[int](t, s.admin, "SELECT count(*) FROM shard_client_heartbeats WHERE outcome = $1", outcome)
	}
	wait.Until(t, "for a beat", func() bool { return beats("ok") > 0 })
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.setPassword("CANARY2")
	s.disconnect()
	p.logs(`--database-password-file \"` + path)
	writeSecret(t, path, "CANARY2\n")
	before := beats("ok")
	wait.Until(t, "for beats with the new password", func() bool { return beats("ok") > before+1 })
	if e := p.stop(); strings.Contains(e.stderr, "CANARY") {
		t.Errorf("a password is shown: %v", e)
	}
	if epochs := pgtest.Query[int](t, s.admin, "SELECT count(DISTINCT epoch) FROM shard_client_heartbeats WHERE outcome = 'ok'"); epochs != 2 {
		t.Errorf("beats under %d epochs, want one before and one after", epochs)
	}
}

// A password that is wrong at the start of run may be mended while it waits.
func TestRunWaitsForAPassword(t *testing.T) {
	t.Parallel()
	s := securedDatabase(t, "right")
	invoke("migrate", "up", "--database-url", s.url("right")).want(t, exitOK)
	path := secretFile(t, "wrong")
	m := master(t, answers(nothing))
	p := startRun(t, m, s.url(""), "--database-password-file", path)
	p.logs("the database refuses this client")
	writeSecret(t, path, "right")
	wait.Until(t, "for a beat", func() bool { return len(m.received()) > 0 })
	p.stop()
}
