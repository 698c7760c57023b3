package secrets

import (
	"regexp"
	"slices"
	"strings"
)

// causes finds the list that PostgreSQL's driver makes when no address of a database answers: a
// line for each try. A name may stand for two addresses, and there may be two tries at each, with
// TLS and without.
var causes = regexp.MustCompile(`:(?:\n\t.+)+`)

// dialed is what stands before the cause of a try, and repeats its address.
var dialed = regexp.MustCompile(`dial error: dial \S+ \S+: (?:connect: )?`)

// eachCauseOnce names in one line the addresses of a database that were tried, and once what was
// wrong with them.
func eachCauseOnce(text string) string {
	return causes.ReplaceAllStringFunc(dialed.ReplaceAllString(text, ""), inOneLine)
}

// tries are attempts at the addresses of one host that failed for the same cause.
type tries struct {
	addresses []string
	rest      string // the host, and why
	why       string // the same for tries that belong together
}

// inOneLine separates the causes by semicolons.
func inOneLine(list string) string {
	lines := strings.Split(list, "\n\t")
	var all []tries
	for _, line := range lines[1:] {
		address, host, found := strings.Cut(line, " (")
		if !found || strings.Contains(address, " ") {
			address, host = "", line
		}
		why := host
		for _, kind := range []string{"hostname resolving error: ", "dial error: ", "tls error: "} {
			why = strings.Replace(why, kind, "", 1)
		}
		n := slices.IndexFunc(all, func(t tries) bool { return t.why == why })
		if n < 0 {
			n, all = len(all), append(all, tries{rest: host, why: why})
		}
		if address != "" && !slices.Contains(all[n].addresses, address) {
			all[n].addresses = append(all[n].addresses, address)
		}
	}
	var told []string
	for _, t := range all {
		if len(t.addresses) > 0 {
			t.rest = strings.Join(t.addresses, ", ") + " (" + t.rest
		}
		told = append(told, t.rest)
	}
	return lines[0] + " " + strings.Join(told, "; ")
}
