package config

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"shardclient/runner/secrets"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestRedact(t *testing.T) {
	setEnvironment(t, map[string]string{"PGPASSWORD": "from-env"})
	c := Config{DatabaseURL: `postgres://u:hunt%40er2@db/shard?sslpassword=key"pw`}
	text := fmt.Sprintf("%s|%q|hunt@er2|hunt%%40er2|from-env|key\"pw|db is down", string(c.DatabaseURL), string(c.DatabaseURL))
	want := `postgres://u@db/shard|"postgres://u:xxxxx@db/shard?sslpassword=xxxxx"|xxxxx|xxxxx|xxxxx|xxxxx|db is down`
	if got := c.Secrets(nil).Redact(text); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := (&Config{DatabaseURL: "hunter2"}).Secrets(nil).Redact("cannot parse `hunter2`"); strings.Contains(got, "hunter2") {
		t.Errorf("an unparsable string was shown: %s", got)
	}
}

// Every place from which a secret can come, and the texts that can show it.
func TestRedactFindsEverySecret(t *testing.T) {
	const secret = `hunter2&"two  words"/%`
	encoded := url.PathEscape(secret)
	for name, tt := range map[string]struct {
		variable  string
		value     string
		url       DatabaseURL
		arguments []string
	}{
		"URL":              {url: DatabaseURL("postgres://u:" + encoded + "@h/d")},
		"query of a URL":   {url: DatabaseURL("postgres://u@h/d?password=" + queryEncoded(secret))},
		"key and value":    {url: DatabaseURL("host=h password='" + secret + "'")},
		"PGPASSWORD":       {variable: "PGPASSWORD", value: secret},
		"proxy":            {variable: "HTTP_PROXY", value: "http://user:" + encoded + "@proxy:3128"},
		"proxy, no scheme": {variable: "https_proxy", value: "user:" + encoded + "@proxy"},
		"unreadable proxy": {variable: "HTTPS_PROXY", value: "http://user:" + secret + "@pro xy"},
		"token of a proxy": {variable: "http_proxy", value: "http://" + encoded + "@proxy"},
		"stray argument":   {arguments: []string{"once", "postgres://u:" + secret + "@h/d"}},
	} {
		t.Run(name, func(t *testing.T) {
			setEnvironment(t, map[string]string{cmp.Or(tt.variable, "UNUSED"): tt.value})
			s := (&Config{DatabaseURL: tt.url}).Secrets(tt.arguments)
			for _, text := range []string{
				secret, encoded, url.QueryEscape(secret), html.EscapeString(secret), strings.Join(strings.Fields(secret), " "),
				strings.Trim(fmt.Sprintf("%q", secret), `"`),
			} {
				if got := s.Redact("<" + text + ">"); got != "<xxxxx>" {
					t.Errorf("%s is shown as %s", text, got)
				}
			}
		})
	}
}

// queryEncoded writes %20 for a space, as the driver reads it in a query; a + is a plus.
func queryEncoded(text string) string { return strings.ReplaceAll(url.QueryEscape(text), "+", "%20") }

// A proxy may repeat the header with which it was called.
func TestRedactFindsProxyAuthorization(t *testing.T) {
	for credentials, header := range map[string]string{"user:p%40ss": "user:p@ss", "token": "token:"} {
		setEnvironment(t, map[string]string{"HTTP_PROXY": "http://" + credentials + "@proxy"})
		text := base64.StdEncoding.EncodeToString([]byte(header))
		if got := (&Config{}).Secrets(nil).Redact("Basic " + text); got != "Basic xxxxx" {
			t.Errorf("%s: %s is shown as %s", credentials, text, got)
		}
	}
}

// A secret that contains another one is replaced whole, and the replacement is not searched again.
// The driver gives each try to connect a line; the log has one line, and stderr a sentence.
func TestRedactErrorTellsEqualCausesOnce(t *testing.T) {
	secrets := (&Config{DatabaseURL: "postgres://u:CANARY@h/d"}).Secrets(nil)
	err := errors.New("migrate up: failed to connect to `user=u`:\n\th1: refused\n\th1: refused\n\th2: password=CANARY")
	if got, want := secrets.RedactError(err), "migrate up: failed to connect to `user=u`: h1: refused; h2: password=xxxxx"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	lines := "--a: it is wrong\n--b: it is wrong"
	if got := secrets.RedactError(errors.New(lines)); got != lines {
		t.Errorf("%q became %q", lines, got)
	}
}

func TestRedactReplacesOnce(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	s.Add("", "hunter2", "hunter2 and more")
	if got, want := s.Redact("hunter2 and more, hunter2, xxxxx"), "xxxxx, xxxxx, xxxxx"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A text may end in the middle of a secret.
func TestRedactFindsACutSecret(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	s.Add("hunter2 and more")
	for text, want := range map[string]string{
		"is hunter2 and mor": "is xxxxx", "is hunt": "is xxxxx", "is hunter…": "is xxxxx…", "is hunter...": "is xxxxx...", "is hun": "is hun", "hunter": "xxxxx",
		"is hunter2 and less": "is hunter2 and less", "": "", "…": "…",
	} {
		if got := s.Redact(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestSecretsAreAddedWhileTextsAreRedacted(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	var both sync.WaitGroup
	for i := range 2 {
		both.Go(func() {
			for n := range 100 {
				s.Add(fmt.Sprintf("hunter%d-%d", i, n))
				if got := s.Redact(fmt.Sprintf("hunter%d-%d", i, n)); got != "xxxxx" {
					t.Errorf("shown as %s", got)
				}
			}
		})
	}
	both.Wait()
}

// FuzzRedact checks that no form of a password is left, of whatever characters it is made.
func FuzzRedact(f *testing.F) {
	for _, p := range []string{"", "hunter2", "a/b?c#d@e", "it's \\ a 'secret'", "100%", "é\x00\xff", "a  b"} {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		secret := "<<secret" + p + ">>"
		s := secrets.New("", nil)
		s.Add(secret)
		request, err := http.NewRequest(http.MethodGet, "http://h/?"+url.Values{"p": {secret}}.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{secret, fmt.Sprintf("%q", secret), request.URL.String(), html.EscapeString(secret)} {
			if shown := s.Redact(text); strings.Contains(shown, "<<") || strings.Contains(shown, "%3C") || strings.Contains(shown, "&lt;") {
				t.Errorf("%q is shown as %q", text, shown)
			}
		}
	})
}

// foreignError is an error of ours with a part that is not.
type foreignError struct{ said string }

func (e *foreignError) Error() string     { return "the master refused elephant: " + e.said }
func (e *foreignError) Foreign() []string { return []string{e.said} }

// A password that is a word, a name or a number is hidden where a password can stand, and never in
// names, numbers and words of ours: that would destroy lines, and tell the password.
func TestRedactSparesWhatIsNoSecret(t *testing.T) {
	const ours = "another shard-client holds the lock of this shard: heartbeat of shard9.example on 127.0.0.1:1, 123456 jobs, user=scheduler"
	for _, password := range []string{"shard", "1", "123456", "heartbeat", "another", "scheduler", "shard9.example", "example", "client"} {
		c := &Config{ShardHostname: "shard9.example", DatabaseURL: DatabaseURL("postgres://scheduler:" + password + "@127.0.0.1:1/d")}
		s := c.Secrets(nil)
		if got := s.RedactOwn(ours); got != ours {
			t.Errorf("%s: %s", password, got)
		}
		if got := s.RedactError(fmt.Errorf("%s: %w", ours, io.EOF)); got != ours+": EOF" {
			t.Errorf("%s: %s", password, got)
		}
		for text, want := range map[string]string{
			"cannot parse " + string(c.DatabaseURL):          "cannot parse postgres://scheduler@127.0.0.1:1/d",
			"postgres://other:" + password + "@h/d":          "postgres://other:xxxxx@h/d",
			"host=h password=" + password + " port=1":        "host=h password=xxxxx port=1",
			"host=h password='" + password + "'":             "host=h password='xxxxx'",
			`{"sslpassword": "` + password + `", "port": 1}`: `{"sslpassword": "xxxxx", "port": 1}`,
			"?sslpassword=" + password + "&port=1":           "?sslpassword=xxxxx&port=1",
			"PGPASSWORD=" + password:                         "PGPASSWORD=xxxxx",
			"Basic " + password + ", Digest":                 "Basic xxxxx, Digest",
		} {
			if got := s.RedactOwn(text); got != want {
				t.Errorf("%s in %s: %s", password, text, got)
			}
			if got := s.Redact(text); got != want {
				t.Errorf("%s in %s from elsewhere: %s", password, text, got)
			}
		}
	}
}

// In a text from elsewhere an ordinary word is hidden wherever it stands alone; in an error, only
// in what others said.
func TestRedactHidesAWordInTextsFromElsewhere(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	s.Add("elephant")
	for text, want := range map[string]string{
		"Who is elephant?": "Who is xxxxx?", `"elephant"`: `"xxxxx"`, "(elephant) elephant.": "(xxxxx) xxxxx.", "user:elephant": "user:xxxxx",
		"elephants": "elephants", "elephant-client": "elephant-client", "my-elephant": "my-elephant", "elephant.example": "elephant.example",
		"elephant_1": "elephant_1", "<b>elephant</b> and elepha": "<b>xxxxx</b> and xxxxx", "x elephant- y": "x xxxxx- y", "éelephant": "éelephant",
		"elephant=1 x=elephant": "elephant=1 x=xxxxx",
	} {
		if got := s.Redact(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
		if got := s.RedactOwn(text); got != text {
			t.Errorf("ours: %s became %s", text, got)
		}
	}
	server := &pgconn.PgError{Severity: "ERROR", Code: "23514", Message: "refused by elephant"}
	err := errors.Join(fmt.Errorf("elephant: store: %w", server), &foreignError{"Who is elephant?"})
	want := "elephant: store: ERROR: refused by xxxxx (SQLSTATE 23514)\nthe master refused elephant: Who is xxxxx?"
	if got := s.RedactError(err); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A secret that stands nowhere by chance is hidden in every text, as a part of a token too.
func TestRedactHidesAStrongSecretEverywhere(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	s.Add("hunter2")
	for _, redact := range []func(string) string{s.Redact, s.RedactOwn} {
		if got := redact("my-hunter2s are hunter2"); got != "my-xxxxxs are xxxxx" {
			t.Error(got)
		}
	}
}

func TestShortSecrets(t *testing.T) {
	for password, want := range map[string]bool{"": false, "shard": true, "éléph": true, "secret": false} {
		s := (&Config{}).Secrets(nil)
		s.Add(password)
		if s.Short() != want {
			t.Errorf("%q: %t", password, s.Short())
		}
	}
}
