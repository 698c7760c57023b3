// Package secrets hides the passwords that a process knows in every text that leaves it: lines of
// the log, errors, results, pages, mails.
//
// [Secrets.Redact] is for texts from elsewhere, [Secrets.RedactOwn] for lines of ours, and
// [Secrets.RedactError] tells the two apart within one error. Package config knows where secrets
// are, and this package imports none of ours.
package secrets

import (
	"html"
	"net/url"
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
	known  []string          // as they were added
	whole  map[string]string // texts with secrets, and what is shown for each
	public string            // names that everyone may see, and that are no secrets therefore

	// Each in every form in which a text may show it, the longest first.
	strong, words []string
	replacer      *strings.Replacer // of the URL and of what is strong
	places        *regexp.Regexp    // of all others; nil: there are none
}

const hidden = "xxxxx"

// New returns a set without secrets. public are names that everyone may see, and whole are texts
// with secrets in them, such as an address, each with what is shown in its place.
func New(public string, whole map[string]string) *Secrets {
	s := &Secrets{public: public, whole: whole}
	s.Add() // what is whole can be replaced from now on
	return s
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
	for text, shown := range s.whole {
		if text != "" {
			pairs = append(pairs, text, shown)
		}
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

// forms returns the ways in which an error, a page of HTML or a line made of either may show a
// secret.
func forms(secret string) []string {
	list := []string{
		secret, url.QueryEscape(secret), url.PathEscape(secret), html.EscapeString(secret),
		strings.Trim(strconv.Quote(secret), `"`), strings.Join(strings.Fields(secret), " "),
	}
	return slices.DeleteFunc(list, func(form string) bool { return form == "" })
}
