package config

import (
	"encoding/base64"
	"net/url"
	"os"
	"regexp"
	"strings"

	"shardclient/runner/secrets"
)

// Secrets returns the passwords in the settings and in the environment: in the database URL, in
// PGPASSWORD and in the addresses of proxies. It adds those in any URL among the arguments, because
// an argument that is not expected is repeated. [secrets.Secrets.Add] adds passwords that are read
// later, from files.
func (c *Config) Secrets(arguments []string) *secrets.Secrets {
	s := secrets.New(c.public(), map[string]string{string(c.DatabaseURL): c.DatabaseURL.String()})
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

// userinfo finds the password of a URL. It reaches up to the last @, because a password may not be
// encoded as it should be.
var userinfo = regexp.MustCompile(`\w://[^:/@]*:(.*)@`)

// proxySecrets returns the passwords in the addresses of proxies. It takes the variables apart by
// hand, because a value that net/http cannot read may hold a password all the same. A user without
// a password is a token.
func proxySecrets() []string {
	var all []string
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
		all = append(all, secret, decoded(secret))
		// This is how they stand in the Proxy-Authorization header.
		pair := decoded(user) + ":" + decoded(password)
		all = append(all, pair, base64.StdEncoding.EncodeToString([]byte(pair)))
	}
	return all
}

// decoded returns a percent-encoded text as it is meant, and any other text as it is.
func decoded(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}
