package main

import (
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shardclient/runner/binaries"
	"shardclient/runner/pgtest"
	"shardclient/runner/postgres"
	"shardclient/runner/process"
	"shardclient/runner/wait"
)

// fenced is an example, in a list or not: its language and its lines.
var fenced = regexp.MustCompile("(?ms)^( *)```(\\w*)\n(.*?)^ *```$")

// examples returns those of a section of README.md, without their indentation.
func examples(t *testing.T, heading string) (all []string) {
	t.Helper()
	for _, found := range fenced.FindAllStringSubmatch(readme(t)[heading], -1) {
		all = append(all, regexp.MustCompile("(?m)^"+found[1]).ReplaceAllString(found[3], ""))
	}
	return all
}

// readme returns the sections of README.md by their headings.
func readme(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	sections := map[string]string{}
	for _, section := range strings.Split(string(text), "\n## ")[1:] {
		heading, body, _ := strings.Cut(section, "\n")
		sections[heading] = body
	}
	return sections
}

// The tests below run the examples of these sections, and there are no others.
func TestEveryExampleIsRun(t *testing.T) {
	var with []string
	for heading, section := range readme(t) {
		for _, found := range fenced.FindAllStringSubmatch(section, -1) {
			if found[2] == "sh" {
				with = append(with, heading)
			} else if strings.Contains(found[3], "bin/") {
				t.Errorf("README.md, %s: an example in a language other than sh is not run: %s", heading, found[3])
			}
		}
	}
	slices.Sort(with)
	if want := []string{"A lab by hand", "Point it at a real master"}; !slices.Equal(slices.Compact(with), want) {
		t.Errorf("sections with examples: %q, want %q: run the new ones in a test", with, want)
	}
}

// No example has an option that no help has.
func TestOptionsOfExamplesAreInTheHelp(t *testing.T) {
	client, lab := binaries.ShardClient(t), binaries.ShardLab(t)
	option, checked := regexp.MustCompile(`--([a-z][a-z-]+)`), 0
	for heading := range readme(t) {
		for _, call := range regexp.MustCompile(`bin/(shard-\w+) ([a-z][^#\n]*)`).FindAllStringSubmatch(strings.Join(examples(t, heading), ""), -1) {
			call[2], _, _ = strings.Cut(call[2], " -- ")
			words, _, _ := strings.Cut(call[2], " --")
			help := ""
			if call[1] == "shard-client" {
				help = outputOf(t, client, append(strings.Fields(words), "--help")...) + outputOf(t, client, "help", "settings")
			} else {
				help = outputOf(t, lab, append(strings.Fields(words), "--help")...)
			}
			for _, name := range option.FindAllString(call[2], -1) {
				checked++
				if !strings.Contains(help, name+" ") {
					t.Errorf("%s is in no help, but in an example: %s", name, call[0])
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no option was found")
	}
}

func outputOf(t *testing.T, path string, args ...string) string {
	t.Helper()
	text, err := exec.Command(path, args...).Output()
	if err != nil {
		t.Fatalf("%s %q: %v", path, args, err)
	}
	return string(text)
}

// desk is a clone with the two programs built, in which somebody types.
type desk struct {
	t         *testing.T
	directory string
	variables []string
}

func newDesk(t *testing.T, variables ...string) *desk {
	t.Helper()
	d := &desk{t: t, directory: t.TempDir(), variables: append(process.Environment(os.Environ()), variables...)}
	root, err := filepath.Abs(filepath.Join("..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"docs": filepath.Join(root, "docs"), "bin": filepath.Dir(binaries.ShardClient(t))} {
		if err := os.Symlink(target, filepath.Join(d.directory, name)); err != nil {
			t.Fatal(err)
		}
	}
	binaries.ShardLab(t)
	return d
}

// freePort returns a port where nothing listens. The kernel gives it to nobody who asks for any
// port, as all other tests do: those are from 32768 on.
func freePort(t *testing.T) string {
	t.Helper()
	const first, many, tries = 20000, 12000, 100
	for range tries {
		port := strconv.Itoa(first + rand.IntN(many))
		if listener, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = listener.Close()
			return port
		}
	}
	t.Fatalf("none of %d ports is free", tries)
	return ""
}

// shell returns a fresh shell for one example. The last line of it takes the place of the shell,
// so that a signal meets the program as Ctrl-C would.
func (d *desk) shell(example string, replaced ...string) (cmd *exec.Cmd, stdout, stderr *watched) {
	example = strings.NewReplacer(replaced...).Replace(strings.TrimSpace(example))
	before, last, found := strings.Cut(example, "\nbin/shard-client run")
	if found {
		example = before + "\nexec bin/shard-client run" + last
	} else if i := strings.LastIndex(example, "\n") + 1; strings.HasPrefix(example[i:], "bin/") {
		example = example[:i] + "exec " + example[i:]
	}
	cmd = exec.Command("sh", "-e", "-c", example)
	stdout, stderr = &watched{}, &watched{}
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = d.directory, d.variables, stdout, stderr
	return cmd, stdout, stderr
}

// does runs an example to its end, and returns what it prints.
func (d *desk) does(example string, replaced ...string) string {
	d.t.Helper()
	cmd, stdout, stderr := d.shell(example, replaced...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // or what asks for a password asks on our terminal
	if err := cmd.Run(); err != nil {
		d.t.Fatalf("%v:\n%s\n%s%s", err, example, stdout, stderr)
	}
	return stdout.String() + stderr.String()
}

// leaves runs an example that goes on, until it has said something. It is stopped in the end, and
// must then end well.
func (d *desk) leaves(example, said string, replaced ...string) {
	d.t.Helper()
	cmd, stdout, stderr := d.shell(example, replaced...)
	if err := cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	d.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		if err := <-ended; err != nil {
			d.t.Errorf("%v:\n%s\n%s%s", err, example, stdout, stderr)
		}
	})
	both := func() string { return stdout.String() + stderr.String() }
	wait.Until(d.t, said, func() bool { return strings.Contains(both(), said) }, both)
}

// "A lab by hand" of README.md, a shell for each terminal. Only the port is another, and the pause
// is shorter.
func TestLabByHand(t *testing.T) {
	t.Parallel()
	terminals := examples(t, "A lab by hand")
	if len(terminals) != 5 {
		t.Fatalf("%d examples, want 5: %q", len(terminals), terminals)
	}
	d := newDesk(t)
	port := freePort(t)
	d.leaves(terminals[0], "serving until Ctrl-C")
	d.leaves(terminals[1], "http://", "8000", port)
	d.leaves(terminals[2], "scheduler starts")
	d.leaves(terminals[3], "heartbeat", "8000", port, "5s", "300ms")
	list := ""
	wait.Until(t, "the end of the job", func() bool {
		list = d.does(terminals[4])
		return regexp.MustCompile(`hello .* shard1 .* 1 (Completed|Failed)`).MatchString(list)
	}, func() string { return list })
}

// "Point it at a real master" of README.md, on a server with passwords. Only the addresses are
// others.
func TestPointItAtARealMaster(t *testing.T) {
	t.Parallel()
	steps := examples(t, "Point it at a real master")
	if len(steps) != 5 {
		t.Fatalf("%d examples, want 5: %q", len(steps), steps)
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
	psql := filepath.Dir(server.Program("psql"))
	d := newDesk(t, "PATH="+psql+":"+os.Getenv("PATH"))
	host, port, _ := strings.Cut(server.Address(), ":")
	address := freePort(t)
	newDesk(t, "SHARD_LAB_DATABASE_URL="+pgtest.Database(t)).leaves(`
bin/shard-lab label add board:eve
bin/shard-lab shard add shard1.example --label board:eve
bin/shard-lab user add chromeos-test --superuser
bin/shard-lab master --listen 127.0.0.1:`+address, "http://")

	d.does("export PGHOST=" + server.Directory() + " PGPORT=" + port + " PGUSER=shard\n" + steps[0])
	text := d.does(steps[1], "PGHOST=localhost", "PGHOST="+host+" PGPORT="+port)
	if !strings.Contains(text, `"shard_client" has the rights`) {
		t.Errorf("the rights were not given: %s", text)
	}
	d.does(steps[2], "@localhost/", "@"+host+":"+port+"/", "master.example", "127.0.0.1:"+address)
	if information, err := os.Stat(filepath.Join(d.directory, "shard-client.env")); err != nil || information.Mode() != 0o600 {
		t.Errorf("%v: others may read the file with the password: %v", err, information)
	}
	once, quarantine, _ := strings.Cut(steps[3], "bin/shard-client quarantine")
	if text := d.does(once); !strings.Contains(text, "ok") {
		t.Errorf("once: %s", text)
	}
	d.leaves("set -a; . ./shard-client.env; set +a\nbin/shard-client quarantine"+quarantine, "starts")
	d.does(steps[4])
}

// What a file says is what a shell reads of it.
func TestPostgresWritesEnvFiles(t *testing.T) {
	directory := t.TempDir()
	file := filepath.Join(directory, "an env file")
	code, stdout, stderr := invoke("postgres", "--no-migrate", "--env-file", file, "--", "sh", "-c", `
		want=$DATABASE_URL; unset DATABASE_URL SHARD_LAB_DATABASE_URL SHARD_CLIENT_DATABASE_URL
		set -a; . "$0"; set +a
		for got in "$DATABASE_URL" "$SHARD_LAB_DATABASE_URL" "$SHARD_CLIENT_DATABASE_URL"; do
			[ "$got" = "$want" ] || echo "$got is not $want"
		done
		ls -l "$0" | cut -c1-10`, file)
	if diff := cmp.Diff("-rw-------\n", stdout); code != exitOK || diff != "" {
		t.Errorf("exit %d, stderr %q, %s", code, stderr, diff)
	}
	if left, err := os.ReadDir(directory); err != nil || len(left) != 0 {
		t.Errorf("%v: left behind: %v", err, left)
	}
	for _, args := range [][]string{
		{"--database", "a", "--database", "b", "--env-file", file},
		{"--env-file", file, "--env-file", file},
	} {
		if code, _, stderr := invoke(append([]string{"postgres"}, args...)...); code != exitUsage || !strings.Contains(stderr, "once for each --database") {
			t.Errorf("%q: exit %d, %s", args, code, stderr)
		}
	}
	code, _, stderr = invoke("postgres", "--no-migrate", "--env-file", filepath.Join(directory, "none", "file"))
	if code != exitFailed || !strings.Contains(stderr, "give a path where a file can be made") {
		t.Errorf("exit %d, %s", code, stderr)
	}
}
