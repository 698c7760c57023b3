package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
)

const notShown = "(database URL not shown: "

func TestRedactedDatabaseURL(t *testing.T) {
	setEnvironment(t, nil)
	for _, tt := range []struct{ url, want string }{
		{"postgres://autotest:hunter2@db:5432/shard?sslmode=require", "postgres://autotest@db:5432/shard?sslmode=require"},
		{"postgresql://db/shard", "postgres://db/shard"},
		{"postgres://autotest@/shard?host=/run/postgresql&password=hunter2", "postgres://autotest@/shard?host=/run/postgresql"},
		{"postgres://u@db/shard?p%61ssword=hunter2&sslpassword=hunter2", "postgres://u@db/shard"},
		{"postgres://u:hunter2@a:1,b:2/shard", "postgres://u@a:1,b:2/shard"},
		{"postgres://u:hunter2@a,b/shard?target_session_attrs=read-write", "postgres://u@a,b/shard?target_session_attrs=read-write"},
		{
			"postgres://u@a:1,[::1]:2/shard?password=hunter2&target_session_attrs=read-write",
			"postgres://u@a:1,[::1]:2/shard?target_session_attrs=read-write",
		},
		{
			"postgres://u:hun@ter2@a:1,b:2/shard",
			"(database URL not shown: it cannot be told apart from its password; " +
				"percent-encode special characters in the password)",
		},
		{"host=a,b port=1,2 user=u password=hunter2 target_session_attrs=read-write", "host=a,b port=1,2 user=u target_session_attrs=read-write"},
		{"postgres://u:hunter2@[::1]:5432/shard", "postgres://u@[::1]:5432/shard"},
		{"postgres://u:hunter2%2F%40@db", "postgres://u@db"},
		{"postgres://", "postgres://"},
		{"postgres://u:hun/ter2@db/shard", notShown},
		{"postgres://u:1/hunter2@db/shard", notShown},
		{"postgres://u:1?hunter2@db/shard", notShown},
		{"postgres://u:hunter2?x@db/shard", notShown},
		{"postgres://u:hun@ter2@db/shard", notShown},
		{"postgres://u:1#hunter2@db/shard", notShown},
		{"postgres://u:hunter2", notShown},
		{"host=db password=hunter2 dbname=shard", "host=db dbname=shard"},
		{"host = db password = 'hunter2 \\' x' user='auto test'", "host=db user='auto test'"},
		{"host=db password=hunt er2=", "host=db"},
		{"password= hunter2 host=db", "host=db"},
		{`host=db passfile=/hunter2 options='-c x=hunter2'`, "host=db"},
		{"host=db password='hunter2", notShown},
		{"hunter2", notShown},
		{"mysql://u:hunter2@db", notShown},
	} {
		got := (&Config{DatabaseURL: DatabaseURL(tt.url)}).RedactedDatabaseURL()
		if got != tt.want && !(tt.want == notShown && strings.HasPrefix(got, notShown)) {
			t.Errorf("%s:\n got %s\nwant %s", tt.url, got, tt.want)
		}
		for _, secret := range []string{"hunter2", "ter2", "er2"} {
			if strings.Contains(got, secret) {
				t.Errorf("%s: %s shows a piece of the password", tt.url, got)
			}
		}
	}
}

func TestRedactedDatabaseURLFromVariables(t *testing.T) {
	setEnvironment(t, map[string]string{"PGHOST": "db", "PGDATABASE": "the shard", "PGPASSWORD": "hunter2"})
	if got, want := (&Config{}).RedactedDatabaseURL(), "PGHOST=db PGDATABASE='the shard'"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestConfigNeverPrintsThePassword tries every way in which a Config may reach a log by accident.
func TestConfigNeverPrintsThePassword(t *testing.T) {
	c := Config{DatabaseURL: "postgres://u:hunter2@db/shard"}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		fmt.Fprintf(&out, verb+verb+verb, c, &c, c.DatabaseURL)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("settings", "config", c, "pointer", &c, "url", c.DatabaseURL)
	}
	if err := json.NewEncoder(&out).Encode(c); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") || !strings.Contains(out.String(), "u@db/shard") {
		t.Errorf("printed: %s", out.String())
	}
}

// FuzzRedactedDatabaseURL checks that no password is shown, of whatever characters and however
// encoded.
func FuzzRedactedDatabaseURL(f *testing.F) {
	for _, p := range []string{"", "hunter2", "a/b?c#d@e", "1@2", "it's \\ a 'secret'", "x dbname=y", "100%", "é\x00\xff"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		secret := "<<" + p + ">>"
		kv := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(secret)
		for _, u := range []string{
			"postgres://u:" + url.QueryEscape(secret) + "@h/d",
			"postgres://u:" + secret + "@h/d",
			"postgres://h/d?password=" + url.QueryEscape(secret) + "&sslmode=disable",
			"host=h password='" + kv + "' dbname=d",
		} {
			shown := DatabaseURL(u).String()
			if strings.Contains(shown, "<<") || strings.Contains(shown, ">>") || strings.Contains(shown, "%3C") {
				t.Errorf("%q is shown as %q", u, shown)
			}
		}
	})
}
