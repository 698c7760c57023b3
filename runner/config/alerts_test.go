package config

import (
	"slices"
	"strings"
	"testing"
)

// Mails need somebody to send to, a server, and a memory; a mistake says which of these.
func TestAlert(t *testing.T) {
	t.Setenv("STATE_DIRECTORY", "")
	for args, want := range map[string]string{
		"":                                      "",
		"--alert-email-to=a@b":                  "--smtp-addr",
		"--smtp-addr=m:25":                      "--alert-email-to",
		"--smtp-addr=m:25 --alert-email-to=a@b": "--state-dir: without one, a client that dies at each start would send a mail each time",
		"--smtp-addr=m:25 --alert-email-to=a@b --state-dir=/": "",
	} {
		alert, err := mustParse(t, nil, strings.Fields(args)...).Alert()
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) || (alert != nil) != (strings.Contains(args, "state-dir")) {
			t.Errorf("%q: %+v, %v; want %q", args, alert, err, want)
		}
	}
	c := mustParse(t, nil, "--smtp-addr=m:25", "--alert-email-to=Lab <a@b>, c@d", "--alert-email-from=x <e@f>", "--state-dir=/:/tmp")
	alert, err := c.Alert()
	if err != nil || !slices.Equal(alert.To, []string{"a@b", "c@d"}) || alert.From != "e@f" || alert.Server != "m:25" || c.StateDirectory() != "/" {
		t.Errorf("%+v, %v", alert, err)
	}
}

func TestAddressesThatCannotBe(t *testing.T) {
	for flag, values := range map[string][]string{
		"alert-email-to":   {"nobody", "a@b c@d", "ä@b", "a@b\r\nBcc: c@d"},
		"alert-email-from": {"a@b, c@d", "nobody"},
		"smtp-addr":        {"mail", "mail:", ":25", "mail:0", "mail:smtp", "mäil:25"},
		"statsd-addr":      {"statsd", ":8125", "statsd:99999"},
		"statsd-prefix":    {"a b", "a:b", "a|b", "ä"},
		"pprof-listen":     {"6060", "localhost:pprof"},
		"state-dir":        {"/no/such"},
	} {
		for _, value := range values {
			err := mustParse(t, nil, "--" + flag, value).ValidateSettings()
			if err == nil || !strings.Contains(err.Error(), "--"+flag+" ") {
				t.Errorf("--%s %q: %v", flag, value, err)
			}
		}
	}
}
