package runner_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"shardclient/runner/config"
	"shardclient/runner/flags"
	"shardclient/runner/ops"
)

// `make dist-test` installs the packages and runs the unit under systemd. Here is what can be seen
// by reading.

// unit returns the settings of a systemd unit, in order.
func unit(t *testing.T, path string) map[string][]string {
	t.Helper()
	settings := map[string][]string{}
	for line := range strings.Lines(string(readFile(t, path))) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(name, "#") {
			settings[name] = append(settings[name], value)
		}
	}
	return settings
}

// span reads a time of a unit in the one form that ours are in.
func span(t *testing.T, settings map[string][]string, name string) time.Duration {
	t.Helper()
	value := strings.Join(settings[name], " ")
	d, err := time.ParseDuration(strings.TrimSuffix(value, "in")) // 5min
	if err != nil {
		t.Fatalf("%s=%s: %v", name, value, err)
	}
	return d
}

func TestUnitFitsTheProgram(t *testing.T) {
	t.Parallel()
	set := unit(t, "../deploy/systemd/shard-client.service")
	c := &config.Config{}
	flags.New(c) // the defaults
	if limit := ops.HangsAfter(c.HeartbeatPause, c.Splay(), c.WholeBeat()); span(t, set, "WatchdogSec") < limit {
		t.Errorf("WatchdogSec=%s, less than the %v after which the client counts as hanging", set["WatchdogSec"], limit)
	}
	if stop := span(t, set, "TimeoutStopSec"); stop < c.WholeStop()+15*time.Second {
		t.Errorf("TimeoutStopSec=%v, but the beat in hand may take %v, and then there is the history", stop, c.WholeStop())
	}
	for name, want := range map[string]string{
		"Type": "notify", "Restart": "always", "StartLimitIntervalSec": "0", "LimitCORE": "0",
		// 1 is a second signal, 3 a lock that will be free one day.
		"RestartPreventExitStatus": "2 4",
		"LoadCredential":           "shard-client.database-password",
		"EnvironmentFile":          "-/etc/shard-client/shard-client.env",
	} {
		if got := strings.Join(set[name], " "); got != want {
			t.Errorf("%s=%s, want %s", name, got, want)
		}
	}
	// Without it, a panic and the watchdog end in exit 2, after which nothing is started again.
	if !slices.Contains(set["Environment"], "GOTRACEBACK=crash") {
		t.Error("the unit lacks GOTRACEBACK=crash")
	}
	if source := string(readFile(t, "config/password.go")); !strings.Contains(source, `"`+set["LoadCredential"][0]+`"`) {
		t.Error("the program looks for another credential than the unit hands out")
	}
}

// Each variable of the example sets something, and what an operator gets by taking away the # is
// accepted.
func TestExampleOfSettings(t *testing.T) {
	t.Parallel()
	text := string(readFile(t, "../deploy/shard-client.env")) + strings.Join(unit(t, "../deploy/systemd/shard-client.service")["Environment"], "\n")
	var variables []string
	flags.New(&config.Config{}).VisitAll(func(flag *pflag.Flag) {
		variables = append(variables, "SHARD_CLIENT_"+strings.ToUpper(strings.ReplaceAll(flag.Name, "-", "_")))
	})
	used := found(`(?m)\b(SHARD_CLIENT_[A-Z_]+)=`, text)
	if len(used) < 5 {
		t.Errorf("only %q are in the example", used)
	}
	for _, name := range used {
		if !slices.Contains(variables, name) {
			t.Errorf("%s sets nothing", name)
		}
	}
	for _, line := range regexp.MustCompile(`(?m)^#?SHARD_CLIENT_.*$`).FindAllString(text, -1) {
		if !regexp.MustCompile(`^#?[A-Z_]+=('[^']*'|%C/shard-client)$`).MatchString(line) {
			t.Errorf("a shell and systemd read this in two ways: %s", line)
		}
	}
}

// git runs git in a repository that belongs to nobody.
func git(t *testing.T, directory string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=n", "-c", "user.email=e@example", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = directory
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
}

// A package of a later commit must be an upgrade. Whether dpkg and rpm see these in this order is
// asked of them by `make dist-test`.
func TestVersionsGoForward(t *testing.T) {
	t.Parallel()
	top := t.TempDir()
	if err := os.Mkdir(filepath.Join(top, ".ci"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(top, ".ci", "version")
	if err := os.WriteFile(script, readFile(t, "../.ci/version"), 0o755); err != nil {
		t.Fatal(err)
	}
	version := func() string {
		out, err := exec.Command("sh", script).Output()
		if err != nil {
			t.Fatal(err)
		}
		return regexp.MustCompile(`\.g[0-9a-f]{12}`).ReplaceAllString(strings.TrimSpace(string(out)), ".gHASH")
	}
	commit := func() { git(t, top, "commit", "--quiet", "--allow-empty", "--message=m") }
	git(t, top, "init", "--quiet", "--initial-branch=main")
	git(t, top, "add", ".")
	var got []string
	for _, step := range []func(){
		commit, commit,
		func() { git(t, top, "tag", "v1.2.0-rc.1") }, commit,
		func() { git(t, top, "tag", "v1.2.0"); git(t, top, "tag", "vague"); git(t, top, "tag", "other-9") },
		func() { write(t, script, append(readFile(t, "../.ci/version"), "# changed\n"...)) },
		func() { git(t, top, "checkout", "--quiet", "."); commit() },
		func() { git(t, top, "tag", "v1.10.0"); git(t, top, "tag", "v1.9.0") },
	} {
		step()
		got = append(got, version())
	}
	want := []string{
		"0.0.0+1.gHASH", "0.0.0+2.gHASH", "1.2.0~rc.1", "1.2.0~rc.1+1.gHASH", "1.2.0", "1.2.0+0.gHASH.dirty", "1.2.0+1.gHASH", "1.10.0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	git(t, top, "clone", "--quiet", "--depth=1", "file://"+top, filepath.Join(top, "shallow"))
	script = filepath.Join(top, "shallow", ".ci", "version")
	if got := version(); got != "0.0.0+0.gHASH.shallow" {
		t.Errorf("a shallow clone has the version %q", got)
	}
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
}
