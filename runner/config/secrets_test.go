package config

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
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
func TestRedactReplacesOnce(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	s.Add("xx", "", "hunter2", "hunter2 and more")
	if got, want := s.Redact("hunter2 and more, hunter2, xx"), "xxxxx, xxxxx, xxxxx"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A text may end in the middle of a secret.
func TestRedactFindsACutSecret(t *testing.T) {
	s := (&Config{}).Secrets(nil)
	s.Add("hunter2 and more")
	for text, want := range map[string]string{
		"is hunter2 and mor": "is xxxxx", "is hunt": "is xxxxx", "is hunter…": "is xxxxx…", "is hun": "is hun", "hunter": "xxxxx",
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
				if got := s.Redact(fmt.Sprintf("hunter%d-%d", i, n)); got != hidden {
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
		secret := "<<" + p + ">>"
		s := &Secrets{}
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
