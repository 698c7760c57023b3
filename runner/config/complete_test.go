package config

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

// TestEverySettingIsComplete: every field has a flag, a one-line help, a group and the environment
// variable of its name.
func TestEverySettingIsComplete(t *testing.T) {
	var c Config
	k, err := kong.New(&c, KongOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	flags := map[any]*kong.Flag{}
	for _, flag := range k.Model.Flags {
		if flag.Name != "help" {
			flags[flag.Target.Addr().Interface()] = flag
		}
	}
	fields := reflect.ValueOf(&c).Elem()
	if len(flags) != fields.NumField() {
		t.Errorf("%d flags for %d fields", len(flags), fields.NumField())
	}
	for i := range fields.NumField() {
		name := fields.Type().Field(i).Name
		flag := flags[fields.Field(i).Addr().Interface()]
		if flag == nil {
			t.Errorf("%s has no flag", name)
			continue
		}
		checkFlag(t, flag)
	}
}

func checkFlag(t *testing.T, flag *kong.Flag) {
	t.Helper()
	if strings.ReplaceAll(flag.Name, "-", "") == flag.Name && len(flag.Name) > 8 {
		t.Errorf("--%s: the name's words are not separated", flag.Name)
	}
	if len(flag.Envs) == 0 || flag.Envs[0] != variable(flag.Name) {
		t.Errorf("--%s: environment %v, want %s first", flag.Name, flag.Envs, variable(flag.Name))
	}
	if flag.Help == "" || strings.Contains(flag.Help, "\n") || !strings.HasSuffix(flag.Help, ".") {
		t.Errorf("--%s: help %q is not one sentence on one line", flag.Name, flag.Help)
	}
	if flag.Group == nil {
		t.Errorf("--%s stands in no group", flag.Name)
	}
	if !flag.HasDefault && flag.PlaceHolder == "" {
		t.Errorf("--%s has neither default nor placeholder", flag.Name)
	}
}

// TestEverySettingHasBounds: each number, size and time is refused where it is absurdly small or
// large, by an error that names its flag. A setting without a check in ValidateSettings fails here.
func TestEverySettingHasBounds(t *testing.T) {
	numbers := 0
	for _, extreme := range []int64{math.MinInt64, math.MaxInt64} {
		var c Config
		k, err := kong.New(&c, KongOptions()...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := k.Parse(nil); err != nil {
			t.Fatal(err)
		}
		if err := c.ValidateSettings(); err != nil {
			t.Fatalf("the defaults: %v", err)
		}
		for _, flag := range k.Model.Flags {
			field := flag.Target
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
			if err := c.ValidateSettings(); err == nil || !strings.Contains(err.Error(), "--"+flag.Name+" ") {
				t.Errorf("--%s = %d: %v; want it refused, in check.go", flag.Name, extreme, err)
			}
			flag.Target.Set(before)
		}
	}
	if numbers == 0 {
		t.Error("no value was tried")
	}
}

// TestContract pins names and defaults: unit files and scripts of operators rely on them.
func TestContract(t *testing.T) {
	var c Config
	k, err := kong.New(&c, KongOptions()...)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"shard-hostname": "", "master": "", "user": "", "protocol": "auto", "database-url": "", "database-password-file": "",
		"ca-file": "", "client-cert": "", "client-key": "",
		"heartbeat-pause": "60s", "drain-pause": "1s", "startup-splay": "", "rpc-timeout": "30m", "stop-timeout": "30s", "lifetime": "0",
		"beat-timeout": "", "finish-timeout": "", "lock-timeout": "500ms",
		"max-upload-jobs": "1000", "max-upload-bytes": "16MiB", "max-response-bytes": "256MiB", "spool-dir": "", "apply-chunk": "500",
		"history-keep": "10000", "quarantine-keep": "10000",
		"log-format": "text", "log-level": "info", "log-dir": "", "output": "text", "listen": "",
	}
	got := map[string]string{}
	for _, flag := range k.Model.Flags {
		if flag.Name != "help" {
			got[flag.Name] = flag.Default
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("flags and defaults:\n got %v\nwant %v", got, want)
	}
}
