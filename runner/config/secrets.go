package config

import (
	"encoding/base64"
	"html"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Secrets are the passwords that this process knows. Every text that is printed, logged or stored
// goes through [Secrets.Redact] first: errors of drivers, kong and net/http can quote addresses
// with passwords, and a proxy can repeat on an error page what it was sent. It is safe for
// concurrent use.
type Secrets struct {
	mu       sync.RWMutex
	known    []string // each in every form that a text may show it in, the longest first
	url      DatabaseURL
	replacer *strings.Replacer
}

const hidden = "xxxxx"

// Secrets returns the passwords in the settings and in the environment: in the database URL, in
// PGPASSWORD and in the addresses of proxies. It adds those in any URL among the arguments, because
// kong repeats an argument that it does not expect. [Secrets.Add] adds passwords that are read
// later, from files.
func (c *Config) Secrets(arguments []string) *Secrets {
	s := &Secrets{url: c.DatabaseURL}
	s.Add(c.DatabaseURL.passwords()...)
	s.Add(os.Getenv("PGPASSWORD"))
	s.Add(proxySecrets()...)
	for _, argument := range arguments {
		if found := userinfo.FindStringSubmatch(argument); found != nil {
			s.Add(found[1], decoded(found[1]))
		}
	}
	return s
}

// Add lets Redact hide more secrets. Empty ones are ignored.
func (s *Secrets) Add(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(s.known, secret) {
			s.known = append(s.known, forms(secret)...)
		}
	}
	slices.SortFunc(s.known, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	if s.url != "" {
		pairs = append(pairs, string(s.url), s.url.String())
	}
	for _, form := range s.known {
		pairs = append(pairs, form, hidden)
	}
	s.replacer = strings.NewReplacer(pairs...)
}

// userinfo finds the password of a URL. It reaches up to the last @, because a password may not be
// encoded as it should be.
var userinfo = regexp.MustCompile(`\w://[^:/@]*:(.*)@`)

// Redact returns the text with every known secret replaced by xxxxx, and the database URL by its
// redacted form.
func (s *Secrets) Redact(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.withoutBeginning(s.replacer.Replace(text))
}

// shownBeginning is how many bytes of a secret may be left at the end of a text. So few bytes may
// stand there by chance.
const shownBeginning = 3

// withoutBeginning replaces the beginning of a secret at the end of a text. Only the first bytes of
// a proxy's page are read, so the page may end within a secret.
func (s *Secrets) withoutBeginning(text string) string {
	whole, cut := strings.CutSuffix(text, "…")
	for _, secret := range s.known {
		for n := len(secret) - 1; n > shownBeginning; n-- {
			if !strings.HasSuffix(whole, secret[:n]) {
				continue
			}
			if text = whole[:len(whole)-n] + hidden; cut {
				text += "…"
			}
			return text
		}
	}
	return text
}

// forms returns the ways in which an error, a page of HTML or a line made of either may show a
// secret.
func forms(secret string) []string {
	list := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret),
		strings.Trim(strconv.Quote(secret), `"`), strings.Join(strings.Fields(secret), " "),
	}
	return slices.DeleteFunc(list, func(form string) bool { return form == "" })
}

// proxySecrets returns the passwords in the addresses of proxies. It takes the variables apart by
// hand, because a value that net/http cannot read may hold a password all the same. A user without
// a password is a token.
func proxySecrets() []string {
	var secrets []string
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy"} {
		address := os.Getenv(name)
		at := strings.LastIndex(address, "@")
		if at < 0 {
			continue
		}
		credentials := address[:at]
		if _, rest, ok := strings.Cut(credentials, "://"); ok {
			credentials = rest
		}
		user, password, _ := strings.Cut(credentials, ":")
		secret := password
		if secret == "" {
			secret = user
		}
		secrets = append(secrets, secret, decoded(secret))
		// This is how they stand in the Proxy-Authorization header.
		secrets = append(secrets, base64.StdEncoding.EncodeToString([]byte(decoded(user)+":"+decoded(password))))
	}
	return secrets
}

// decoded returns a percent-encoded text as it is meant, and any other text as it is.
func decoded(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}
