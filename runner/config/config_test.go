package config

import (
	"errors"
	"log/slog"
	"os"
	"os/user"
	"reflect"
	"strings"
	"testing"
	"time"

	"shardclient/runner/flags"
)

// parse runs a command line in an environment that holds nothing but vars.
func parse(t *testing.T, vars map[string]string, args []string) (*Config, error) {
	t.Helper()
	setEnvironment(t, vars)
	var c Config
	set := flags.New(&c)
	err := flags.Parse(set, args)
	return &c, errors.Join(err, flags.FromEnvironment(set))
}

// setEnvironment sets vars and unsets every other variable that could reach a setting.
func setEnvironment(t *testing.T, vars map[string]string) {
	t.Helper()
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "SHARD_CLIENT_") || strings.HasPrefix(name, "PG") || strings.HasPrefix(name, "AUTOTEST_") {
			t.Setenv(name, "") // so that it is restored
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range vars {
		t.Setenv(name, value)
	}
}

func mustParse(t *testing.T, vars map[string]string, args ...string) *Config {
	t.Helper()
	c, err := parse(t, vars, args)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestFlagsStandOnEitherSideOfTheCommand(t *testing.T) {
	for _, args := range [][]string{
		{"--max-upload-jobs", "7", "once"},
		{"--max-upload-jobs=7", "once"},
		{"once", "--max-upload-jobs", "7"},
		{"once", "--max-upload-jobs=7"},
		{"version", "--max-upload-jobs=7"},
		{"migrate", "up", "--max-upload-jobs=7"},
		{"migrate", "--max-upload-jobs=7", "up"},
	} {
		if c := mustParse(t, nil, args...); c.MaxUploadJobs != 7 {
			t.Errorf("%q: %d jobs, want 7", args, c.MaxUploadJobs)
		}
	}
}

func TestPrecedence(t *testing.T) {
	env := map[string]string{"SHARD_CLIENT_HEARTBEAT_PAUSE": "2s"}
	empty := map[string]string{"SHARD_CLIENT_HEARTBEAT_PAUSE": ""}
	for _, tt := range []struct {
		name string
		vars map[string]string
		args []string
		want time.Duration
	}{
		{"flag", env, []string{"once", "--heartbeat-pause=1s"}, 1 * time.Second},
		{"environment", env, []string{"once"}, 2 * time.Second},
		{"default", nil, []string{"once"}, time.Minute},
		{"empty variable", empty, []string{"once"}, time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := parse(t, tt.vars, tt.args)
			if err != nil || c.HeartbeatPause != tt.want {
				t.Errorf("pause %v, error %v; want %v", c.HeartbeatPause, err, tt.want)
			}
		})
	}
}

// TestEveryEmptyVariableCountsAsUnset: systemd's environment files hold lines such as
// SHARD_CLIENT_USER=.
func TestEveryEmptyVariableCountsAsUnset(t *testing.T) {
	want := mustParse(t, nil, "once")
	vars := map[string]string{"AUTOTEST_SCHEDULER_LOG_DIR": ""}
	for _, name := range flagNames() {
		vars[variable(name)] = ""
	}
	if got := mustParse(t, vars, "once"); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want the defaults %+v", got, want)
	}
}

func TestEnvironmentReachesEveryCommand(t *testing.T) {
	vars := map[string]string{
		"SHARD_CLIENT_SHARD_HOSTNAME": "shard1", "SHARD_CLIENT_MASTER": "m", "SHARD_CLIENT_MAX_UPLOAD_BYTES": "1KiB",
		"SHARD_CLIENT_STARTUP_SPLAY": "0", "SHARD_CLIENT_PROTOCOL": "2015",
	}
	for _, command := range []string{"once", "version"} {
		c := mustParse(t, vars, command)
		if c.ShardHostname != "shard1" || c.Master != "m" || c.MaxUploadBytes != 1024 || c.Splay() != 0 || c.Protocol != "2015" {
			t.Errorf("%s: %+v", command, c)
		}
	}
}

func TestLogDirDefaultsToAutotests(t *testing.T) {
	vars := map[string]string{"AUTOTEST_SCHEDULER_LOG_DIR": "/autotest", "SHARD_CLIENT_LOG_DIR": ""}
	if c := mustParse(t, vars, "once"); c.LogDir != "/autotest" {
		t.Errorf("log dir %q, want Autotest's", c.LogDir)
	}
	vars["SHARD_CLIENT_LOG_DIR"] = "/ours"
	if c := mustParse(t, vars, "once"); c.LogDir != "/ours" {
		t.Errorf("log dir %q, want ours", c.LogDir)
	}
}

// TestParsingDoesNotCheck: version must answer in a broken environment; each command decides what
// it checks.
func TestParsingDoesNotCheck(t *testing.T) {
	c := mustParse(t, map[string]string{"SHARD_CLIENT_MASTER": "ftp://x", "SHARD_CLIENT_APPLY_CHUNK": "0"}, "version")
	if c.ValidateSettings() == nil || c.ValidateShard() == nil {
		t.Error("broken settings passed the checks")
	}
}

func TestSplay(t *testing.T) {
	for flag, want := range map[string]time.Duration{
		"--heartbeat-pause=7s": 7 * time.Second, "--startup-splay=0": 0, "--startup-splay=0s": 0, "--startup-splay=5ms": 5 * time.Millisecond,
	} {
		if got := mustParse(t, nil, "once", flag).Splay(); got != want {
			t.Errorf("%s: splay %v, want %v", flag, got, want)
		}
	}
}

// Without a setting of their own, a beat and a stop are bounded by their RPC and a time for the
// database.
func TestWholeBeatAndWholeStop(t *testing.T) {
	for flag, want := range map[string][2]time.Duration{
		"--protocol=auto":          {35 * time.Minute, 75 * time.Second},
		"--rpc-timeout=2h":         {125 * time.Minute, 75 * time.Second},
		"--rpc-timeout=100000h":    {maxDuration, 75 * time.Second},
		"--stop-timeout=1m":        {35 * time.Minute, 105 * time.Second},
		"--stop-timeout=100000h":   {35 * time.Minute, maxDuration},
		"--beat-timeout=1h":        {time.Hour, 75 * time.Second},
		"--finish-timeout=30100ms": {35 * time.Minute, 30100 * time.Millisecond},
	} {
		c := mustParse(t, nil, "once", flag)
		if got := [2]time.Duration{c.WholeBeat(), c.WholeStop()}; got != want || c.ValidateSettings() != nil {
			t.Errorf("%s: %v, %v; want %v", flag, got, c.ValidateSettings(), want)
		}
	}
}

func TestLevel(t *testing.T) {
	for text, want := range map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	} {
		if got := mustParse(t, nil, "once", "--log-level", text).Level(); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestLogin(t *testing.T) {
	t.Setenv("LOGNAME", "caller")
	t.Setenv("USER", "caller")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if login, err := (&Config{}).Login(); err != nil || login != me.Username {
		t.Errorf("login %q, error %v; want the process's own %q", login, err, me.Username)
	}
	if login, err := (&Config{User: "autotest"}).Login(); err != nil || login != "autotest" {
		t.Errorf("login %q, error %v; want autotest", login, err)
	}
}
