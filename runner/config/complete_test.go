package config

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"shardclient/runner/flags"
)

// TestEverySettingIsComplete: every field has a flag, a one-line help, a group and the environment
// variable of its name.
func TestEverySettingIsComplete(t *testing.T) {
	names, fields := flagNames(), reflect.TypeFor[Config]()
	if len(names) != fields.NumField() {
		t.Fatalf("%d flags for %d fields", len(names), fields.NumField())
	}
	for i, name := range names {
		checkFlag(t, name, fields.Field(i).Tag)
	}
}

// flagNames returns the names of the flags, in the order of the fields.
func flagNames() (names []string) {
	flags.New(&Config{}).VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	return names
}

func checkFlag(t *testing.T, name string, tag reflect.StructTag) {
	t.Helper()
	if strings.ReplaceAll(name, "-", "") == name && len(name) > 8 {
		t.Errorf("--%s: the name's words are not separated", name)
	}
	if variables := tag.Get("env"); variables != variable(name) && !strings.HasPrefix(variables, variable(name)+",") {
		t.Errorf("--%s: environment %v, want %s first", name, variables, variable(name))
	}
	if help := tag.Get("help"); help == "" || strings.Contains(help, "\n") || !strings.HasSuffix(help, ".") {
		t.Errorf("--%s: help %q is not one sentence on one line", name, help)
	}
	if tag.Get("group") == "" {
		t.Errorf("--%s stands in no group", name)
	}
	if tag.Get("default") == "" && tag.Get("placeholder") == "" {
		t.Errorf("--%s has neither default nor placeholder", name)
	}
}

// TestEverySettingHasBounds: each number, size and time is refused where it is absurdly small or
// large, by an error that names its flag. A setting without a check in ValidateSettings fails here.
func TestEverySettingHasBounds(t *testing.T) {
	numbers := 0
	for _, extreme := range []int64{math.MinInt64, math.MaxInt64} {
		c := mustParse(t, nil)
		if err := c.ValidateSettings(); err != nil {
			t.Fatalf("the defaults: %v", err)
		}
		fields := reflect.ValueOf(c).Elem()
		for i := range fields.NumField() {
			field := fields.Field(i)
			before := reflect.ValueOf(field.Interface())
			if field.Kind() == reflect.Pointer {
				field.Set(reflect.New(field.Type().Elem()))
				field = field.Elem()
			}
			if !field.CanInt() {
				continue
			}
			numbers++
			field.SetInt(extreme)
			if err := c.ValidateSettings(); err == nil || !strings.Contains(err.Error(), "--"+flagNames()[i]+" ") {
				t.Errorf("--%s = %d: %v; want it refused, in check.go", flagNames()[i], extreme, err)
			}
			fields.Field(i).Set(before)
		}
	}
	if numbers == 0 {
		t.Error("no value was tried")
	}
}

// TestContract pins names and defaults: unit files and scripts of operators rely on them.
func TestContract(t *testing.T) {
	want := map[string]string{
		"autotest-config": "",
		"shard-hostname":  "", "master": "", "user": "", "protocol": "auto", "database-url": "", "database-password-file": "",
		"ca-file": "", "client-cert": "", "client-key": "",
		"heartbeat-pause": "60s", "drain-pause": "1s", "startup-splay": "", "rpc-timeout": "30m", "stop-timeout": "30s", "lifetime": "0",
		"beat-timeout": "", "finish-timeout": "", "lock-timeout": "500ms",
		"max-upload-jobs": "1000", "max-upload-bytes": "16MiB", "max-response-bytes": "256MiB", "spool-dir": "", "apply-chunk": "500",
		"history-keep": "10000", "quarantine-keep": "10000",
		"log-format": "text", "log-level": "info", "log-dir": "", "output": "text", "listen": "", "pprof-listen": "", "statsd-addr": "", "statsd-prefix": "localhost",
		"state-dir": "", "alert-email-to": "", "alert-email-from": "", "smtp-addr": "",
	}
	got := map[string]string{}
	flags.New(&Config{}).VisitAll(func(flag *pflag.Flag) { got[flag.Name] = flag.DefValue })
	if !reflect.DeepEqual(got, want) {
		t.Errorf("flags and defaults:\n got %v\nwant %v", got, want)
	}
}
