package config

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// dsn is a connection string in parts, enough to tell secrets from the rest. The driver parses the
// string by itself.
type dsn struct {
	url      bool
	user     string // of a URL, percent-encoded as given
	password string // of a URL's user part, percent-encoded as given
	place    string // of a URL: hosts, ports and path, as given
	settings []setting
}

type setting struct{ key, value string }

func isURL(s string) bool {
	return strings.HasPrefix(s, "postgres://") || strings.HasPrefix(s, "postgresql://")
}

func parseDatabaseURL(s string) (dsn, error) {
	if isURL(s) {
		return parseURL(s)
	}
	settings, err := parseKeyValues(s)
	return dsn{settings: settings}, err
}

// places matches HOST[:PORT][,HOST[:PORT]...][/PATH], but not a text that could hold a piece of a
// password that was not percent-encoded: such a password leaves an @ behind, or letters where a
// port should be.
var places = regexp.MustCompile(`^` + place + `(?:,` + place + `)*(?:/[^@/]*)?$`)

const place = `(?:\[[0-9A-Fa-f:.%]+\]|[^:,@/\[\]]*)(?::\d*)?`

var errUnclear = errors.New("it cannot be told apart from its password; " +
	"percent-encode special characters in the password")

// parseURL takes a postgres:// URL apart. It is stricter than the driver: a URL that could be read
// in two ways is an error.
func parseURL(s string) (dsn, error) {
	_, rest, _ := strings.Cut(s, "://")
	rest, query, _ := strings.Cut(rest, "?")
	d := dsn{url: true}
	if i := strings.IndexAny(rest, "@/"); i >= 0 && rest[i] == '@' {
		d.user, d.password, _ = strings.Cut(rest[:i], ":")
		rest = rest[i+1:]
	}
	d.place = rest
	if strings.ContainsAny(s, " #\t\r\n") || strings.Contains(query, "@") || !places.MatchString(rest) {
		return dsn{}, errUnclear
	}
	for pair := range strings.SplitSeq(query, "&") {
		key, value, _ := strings.Cut(pair, "=")
		key, err := url.QueryUnescape(key)
		if err != nil {
			return dsn{}, errUnclear
		}
		d.settings = append(d.settings, setting{key, value})
	}
	return d, nil
}

// parseKeyValues reads libpq's `key = 'value'` lists. Its errors repeat nothing of the list.
func parseKeyValues(s string) ([]setting, error) {
	var settings []setting
	for s = trimSpaces(s); s != ""; s = trimSpaces(s) {
		key, rest, ok := strings.Cut(s, "=")
		key = strings.TrimRight(key, spaces)
		if !ok || key == "" || strings.ContainsAny(key, spaces) {
			return nil, errors.New("it is neither a postgres:// URL nor a list of key=value pairs")
		}
		value, rest, err := takeValue(trimSpaces(rest))
		if err != nil {
			return nil, err
		}
		settings = append(settings, setting{key, value})
		s = rest
	}
	return settings, nil
}

// takeValue reads one value, in quotes or up to the next space, and resolves its backslash escapes.
func takeValue(s string) (value, rest string, err error) {
	end := spaces
	quotes := strings.HasPrefix(s, "'")
	if quotes {
		s, end = s[1:], "'"
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(end, s[i]) >= 0 {
			return b.String(), s[i+1:], nil
		}
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	if quotes {
		return "", "", errors.New("a quoted value in it has no end")
	}
	return b.String(), "", nil
}

const spaces = " \t\n\r\v\f"

func trimSpaces(s string) string { return strings.TrimLeft(s, spaces) }

// shown returns the connection string reduced to shownSettings.
func (d dsn) shown() string {
	var settings []string
	for _, s := range d.settings {
		switch {
		case !slices.Contains(shownSettings, s.key):
		case d.url:
			settings = append(settings, s.key+"="+s.value)
		default:
			settings = append(settings, s.key+"="+quoteValue(s.value))
		}
	}
	if !d.url {
		return strings.Join(settings, " ")
	}
	text := "postgres://"
	if d.user != "" {
		text += d.user + "@"
	}
	text += d.place
	if len(settings) > 0 {
		text += "?" + strings.Join(settings, "&")
	}
	return text
}

// value returns the value of a setting; "" when it is not set.
func (d dsn) value(key string) string {
	for _, s := range d.settings {
		switch {
		case s.key == key && d.url:
			return decoded(s.value)
		case s.key == key:
			return s.value
		}
	}
	return ""
}

// passwords returns all passwords in the string, as given; some may be "".
func (d dsn) passwords() []string {
	secrets := []string{d.password}
	for _, s := range d.settings {
		if s.key == "password" || s.key == "sslpassword" {
			secrets = append(secrets, s.value)
		}
	}
	return secrets
}

// quoteValue returns a value as it is written in a key=value list.
func quoteValue(value string) string {
	if value != "" && !strings.ContainsAny(value, spaces+`'\`) {
		return value
	}
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(value) + "'"
}
