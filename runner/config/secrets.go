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
	"unicode/utf8"
)

// Secrets are the passwords that this process knows. Every text that is printed, logged or stored
// goes through [Secrets.Redact], [Secrets.RedactOwn] or [Secrets.RedactError] first: errors of
// drivers, pflag and net/http can quote addresses with passwords, and a proxy can repeat on an
// error page what it was sent. It is safe for concurrent use.
type Secrets struct {
	mu     sync.RWMutex
	known  []string // as they were added
	url    DatabaseURL
	public string // names that everyone may see, and that are no secrets therefore

	// Each in every form in which a text may show it, the longest first.
	strong, words []string
	replacer      *strings.Replacer // of the URL and of what is strong
	places        *regexp.Regexp    // of all others; nil: there are none
}

const hidden = "xxxxx"

// Secrets returns the passwords in the settings and in the environment: in the database URL, in
// PGPASSWORD and in the addresses of proxies. It adds those in any URL among the arguments, because
// an argument that is not expected is repeated. [Secrets.Add] adds passwords that are read
// later, from files.
func (c *Config) Secrets(arguments []string) *Secrets {
	s := &Secrets{url: c.DatabaseURL, public: c.public()}
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

// public returns the names of ours that lines and errors show: of hosts, users, databases, files.
func (c *Config) public() string {
	names := []string{c.ShardHostname, c.Master, c.User, c.Listen, c.PprofListen, c.StatsdAddr, c.SMTPAddr, c.AlertEmailTo, c.AlertEmailFrom, c.LogDir, fromVariables()}
	if parts, err := parseDatabaseURL(string(c.DatabaseURL)); err == nil {
		names = append(names, parts.shown(), decoded(parts.shown()))
	}
	if login, err := c.Login(); err == nil {
		names = append(names, login)
	}
	return strings.Join(names, "\n")
}

// Add lets the Redact methods hide more secrets. Empty ones are ignored.
func (s *Secrets) Add(secrets ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range secrets {
		if secret != "" && !slices.Contains(s.known, secret) {
			s.known = append(s.known, secret)
		}
	}
	s.strong, s.words = nil, nil
	var weak, alone []string
	for _, secret := range s.known {
		switch strengthOf(secret, s.public) {
		case strong:
			s.strong = append(s.strong, forms(secret)...)
			continue
		case ordinary:
			s.words = append(s.words, forms(secret)...)
		}
		weak = append(weak, forms(secret)...)
		if replaceTokens(s.public, secret) == s.public { // or it is the name of a user
			alone = append(alone, forms(secret)...)
		}
	}
	for _, list := range [][]string{s.strong, s.words, weak, alone} {
		slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	}
	var pairs []string
	if s.url != "" {
		pairs = append(pairs, string(s.url), s.url.String())
	}
	for _, form := range s.strong {
		pairs = append(pairs, form, hidden)
	}
	s.replacer, s.places = strings.NewReplacer(pairs...), whereTheyStand(weak, alone)
}

// Short reports whether a secret is too short to be told from a text in which it stands by chance.
func (s *Secrets) Short() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.ContainsFunc(s.known, func(secret string) bool { return utf8.RuneCountInString(secret) < shortest })
}

// userinfo finds the password of a URL. It reaches up to the last @, because a password may not be
// encoded as it should be.
var userinfo = regexp.MustCompile(`\w://[^:/@]*:(.*)@`)

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
		pair := decoded(user) + ":" + decoded(password)
		secrets = append(secrets, pair, base64.StdEncoding.EncodeToString([]byte(pair)))
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
