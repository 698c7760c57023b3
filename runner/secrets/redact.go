package secrets

import (
	"cmp"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The passwords are hidden by what they look like
// (docs/decisions/0038-hide-a-password-where-it-can-stand.md). To replace `shard` wherever it
// stands would make `xxxxx-client starts` of a line, and tell the password to everyone who knows
// how that line begins.

// strength says where a secret is replaced.
type strength int

const (
	// short secrets, numbers, and words that are no secret elsewhere, such as the name of the
	// user: only where a password stands, see whereTheyStand.
	short strength = iota
	// ordinary words: as whole tokens too, in texts that are not ours.
	ordinary
	// strong secrets stand nowhere by chance: as a part of a token too, in every text.
	strong
)

const (
	// shortest is how many characters a password has that can be told from a text around it.
	shortest = 6
	// shortestNumber is the same for digits alone: ids and sizes are numbers, too.
	shortestNumber = 8
)

// strengthOf judges a secret. public are names that everyone may see.
func strengthOf(secret, public string) strength {
	n := utf8.RuneCountInString(secret)
	number := strings.Trim(secret, "0123456789") == ""
	switch {
	case n < shortest, number && n < shortestNumber, replaceTokens(public, secret) != public:
		return short
	case number || !isMixed(secret) || strings.Contains(public, secret):
		return ordinary
	default:
		return strong
	}
}

// isMixed reports whether a text is more than a word: a word has letters of one case, or begins
// with a capital.
func isMixed(text string) bool {
	first, size := utf8.DecodeRuneInString(text)
	rest := text[size:]
	return !unicode.IsLetter(first) || strings.ContainsFunc(rest, func(r rune) bool { return !unicode.IsLetter(r) }) ||
		rest != strings.ToLower(rest) && text != strings.ToUpper(text)
}

// whereTheyStand returns the expression that finds secrets where a password stands: in the user
// part of an address, after its key, and in the header that carries it. alone are those that may
// stand before the @ of an address without a user.
func whereTheyStand(secrets, alone []string) *regexp.Regexp {
	if len(secrets) == 0 {
		return nil
	}
	one := oneOf(secrets)
	text := `([^\s/:@"'<>]+:)` + one + `(@)` +
		`|((?i:password|passwd)["']?\s*[=:]\s*["']?)` + one + `(["'\s&;,)}\]]|$)` +
		`|((?i:basic)\s+)` + one + `(["'\s&;,|)<]|$)`
	if len(alone) > 0 {
		text += `|(://)` + oneOf(alone) + `(@)`
	}
	return regexp.MustCompile(text)
}

func oneOf(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = regexp.QuoteMeta(text)
	}
	return "(?:" + strings.Join(quoted, "|") + ")"
}

// Redact returns a text that comes from elsewhere (a page, a message of a server or of a driver)
// without the known secrets: xxxxx stands in their place, and the database URL is given in its
// redacted form.
func (s *Secrets) Redact(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	text = s.own(text)
	for _, word := range s.words {
		text = replaceTokens(text, word)
	}
	return s.withoutBeginning(text, s.words, true)
}

// RedactOwn returns a text of ours without the known secrets. Of an ordinary word it hides only
// what stands where a password does: our own words, keys and names stay.
func (s *Secrets) RedactOwn(text string) string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.own(text)
}

func (s *Secrets) own(text string) string {
	text = s.replacer.Replace(text)
	if s.places != nil {
		text = s.places.ReplaceAllString(text, "${1}${3}${5}${7}"+hidden+"${2}${4}${6}${8}")
	}
	return s.withoutBeginning(text, s.strong, false)
}

// RedactError returns the text of an error without the known secrets. What its causes quote from
// elsewhere is redacted as that, and the words around it as ours. It is in one line where it lists
// causes, and names each of them once.
func (s *Secrets) RedactError(err error) string {
	text := err.Error()
	pieces := foreign(err)
	slices.SortFunc(pieces, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, piece := range pieces {
		if redacted := s.Redact(piece); redacted != piece {
			text = strings.ReplaceAll(text, piece, redacted)
		}
	}
	return s.RedactOwn(eachCauseOnce(text))
}

// foreign returns the parts of an error's text that are not ours: what an error of ours says to be
// from elsewhere, and the whole text of an error of another module.
func foreign(err error) []string {
	var pieces []string
	if ours, ok := err.(interface{ Foreign() []string }); ok {
		pieces = ours.Foreign()
	} else if isForeign(err) {
		return []string{err.Error()}
	}
	switch wrapper := err.(type) {
	case interface{ Unwrap() error }:
		if cause := wrapper.Unwrap(); cause != nil {
			pieces = append(pieces, foreign(cause)...)
		}
	case interface{ Unwrap() []error }:
		for _, cause := range wrapper.Unwrap() {
			pieces = append(pieces, foreign(cause)...)
		}
	}
	return pieces
}

// isForeign reports whether an error speaks for somebody else: the driver, the server, a library,
// or net/http, which may repeat what a proxy said. Errors of the operating system name files and
// addresses of ours.
func isForeign(err error) bool {
	kind := reflect.TypeOf(err)
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	path := kind.PkgPath()
	domain, _, _ := strings.Cut(path, "/")
	return strings.Contains(domain, ".") || strings.HasPrefix(path, "net/")
}

// replaceTokens hides a word where it stands alone. Part of a name it is not, nor a key: there is
// no token "shard" in shard9.example, shard-client and shard=1.
func replaceTokens(text, word string) string {
	var b strings.Builder
	rest := 0
	for at := 0; ; {
		n := strings.Index(text[at:], word)
		if n < 0 {
			return b.String() + text[rest:]
		}
		from, to := at+n, at+n+len(word)
		if joins(word[0]) && !startsToken(text, from) || joins(word[len(word)-1]) && !endsToken(text, to) {
			at = from + 1
			continue
		}
		b.WriteString(text[rest:from] + hidden)
		at, rest = to, to
	}
}

// startsToken reports whether no token of the text goes on at i.
func startsToken(text string, i int) bool {
	before := text[:i]
	if strings.HasSuffix(before, "-") || strings.HasSuffix(before, ".") {
		before = before[:len(before)-1]
	} else if before == "" {
		return true
	}
	return before == "" || !joins(before[len(before)-1])
}

// endsToken reports whether a token of the text ends at i.
func endsToken(text string, i int) bool {
	after := text[i:]
	if strings.HasPrefix(after, "-") || strings.HasPrefix(after, ".") {
		after = after[1:]
	}
	return after == "" || !joins(after[0]) && after[0] != '='
}

// joins reports whether a byte is part of a word; every byte outside ASCII is.
func joins(b byte) bool {
	return b == '_' || b >= '0' && b <= '9' || b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= utf8.RuneSelf
}

// shownBeginning is how many bytes of a secret may be left at the end of a text. So few bytes may
// stand there by chance.
const shownBeginning = 3

// cutMark is what package plain puts at the end of a text that it has cut.
var cutMark = regexp.MustCompile(`(?:…|\.\.\.)?$`)

// withoutBeginning replaces the beginning of a secret at the end of a text. Only the first bytes of
// a proxy's page are read, so the page may end within a secret.
func (s *Secrets) withoutBeginning(text string, secrets []string, tokens bool) string {
	mark := cutMark.FindString(text)
	whole := strings.TrimSuffix(text, mark)
	for _, secret := range secrets {
		for n := len(secret) - 1; n > shownBeginning; n-- {
			if !strings.HasSuffix(whole, secret[:n]) || tokens && !startsToken(whole, len(whole)-n) {
				continue
			}
			return whole[:len(whole)-n] + hidden + mark
		}
	}
	return text
}
