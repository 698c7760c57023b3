package config

import (
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
