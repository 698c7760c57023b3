package config

import (
	"strings"
	"testing"
)

func TestAddressesThatCannotBe(t *testing.T) {
	for flag, values := range map[string][]string{
		"alert-email-to":   {"nobody", "a@b c@d", "ä@b", "a@b\r\nBcc: c@d"},
		"alert-email-from": {"nobody"},
		"smtp-addr":        {"mail", "mail:", ":25", "mail:0", "mail:smtp", "mäil:25"},
		"statsd-addr":      {"statsd", ":8125", "statsd:99999"},
		"statsd-prefix":    {"a b", "a:b", "a|b", "ä"},
		"pprof-listen":     {"6060", "localhost:pprof"},
		"state-dir":        {"/no/such"},
	} {
		for _, value := range values {
			err := mustParse(t, nil, "--"+flag, value).ValidateSettings()
			if err == nil || !strings.Contains(err.Error(), "--"+flag+" ") {
				t.Errorf("--%s %q: %v", flag, value, err)
			}
		}
	}
}
