package runner_test

import (
	"reflect"
	"regexp"
	"strings"
	"testing"

	"shardclient/runner/config"
)

// A setting that nobody reads would be parsed, checked and documented, and change nothing. It is
// read by its field, or by a method of Config that reads it.
func TestSettingsAreUsed(t *testing.T) {
	t.Parallel()
	used, methods := "", ""
	for path, text := range sources(t) {
		switch {
		case strings.HasSuffix(path, "_test.go") || !strings.HasSuffix(path, ".go"):
		case strings.HasPrefix(path, "runner/config/"):
			methods += text
		case strings.HasPrefix(path, "runner/cmd/shard-client/"), strings.HasPrefix(path, "runner/watch/"):
			used += text
		}
	}
	for i := range reflect.TypeFor[config.Config]().NumField() {
		name := reflect.TypeFor[config.Config]().Field(i).Name
		read := regexp.MustCompile(`\b(c|settings)\.` + name + `\b`)
		if read.MatchString(used) {
			continue
		}
		by := false
		for _, body := range strings.Split(methods, "\nfunc ") {
			method := regexp.MustCompile(`^\(c \*?Config\) ([A-Z]\w*)\(`).FindStringSubmatch(body)
			if method == nil || strings.HasPrefix(method[1], "Validate") || !strings.Contains(body, "c."+name) {
				continue
			}
			by = by || regexp.MustCompile(`\b(c|settings)\.`+method[1]+`\(`).MatchString(used)
		}
		if !by {
			t.Errorf("runner/cmd/shard-client reads Config.%s nowhere: the setting does nothing", name)
		}
	}
}
