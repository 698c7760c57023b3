// Package libpq knows which parameters of PostgreSQL's own client library the driver does not know.
// It reads no connection string and opens no connection; package pg does.
package libpq

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"shardclient/runner/flags"
)

// beyond are the parameters that libpq knows and the driver does not, and what to do without each.
// The driver would send them to the server as settings of a session, and no server has one of these
// names: the client would wait for ever for a database that is well.
//
// They are refused whatever they say, and whoever says it. Some would do no harm if nobody heeded
// them; but a certificate that was revoked, or another user's socket, must not be trusted because
// nobody looked.
var beyond = map[string]string{
	"hostaddr":                  "give the address as host; for the name in the server's certificate, let the name resolve to it",
	"fallback_application_name": "give application_name",
	"load_balance_hosts":        "leave it out, hosts are tried in their order, and only the primary is of use",

	"keepalives": noticed, "keepalives_idle": noticed, "keepalives_interval": noticed, "keepalives_count": noticed,
	"tcp_user_timeout": noticed,

	"gssencmode":    "leave it out, connections are encrypted by TLS only, see sslmode",
	"gsslib":        "leave it out, there is no GSSAPI here",
	"gssdelegation": "leave it out, there is no GSSAPI here",

	"ssl":            "give sslmode=require, or sslmode=disable",
	"requiressl":     "give sslmode=require",
	"sslcompression": "leave it out, nothing is compressed",
	"sslcrl":         revoked, "sslcrldir": revoked,
	"sslkeylogfile": "leave it out, keys of connections are not written",
	"requirepeer":   "leave it out, or connect by TCP with sslmode=verify-full: the owner of a socket is not looked at",

	"ssl_min_protocol_version": "leave it out, nothing below TLS 1.2 is spoken",
	"ssl_max_protocol_version": "leave it out, or bound the version at the server",

	"scram_client_key": "give a password",
	"scram_server_key": "give a password",
	"oauth_issuer":     noOAuth, "oauth_client_id": noOAuth, "oauth_client_secret": noOAuth, "oauth_scope": noOAuth,

	"replication": "leave it out, a session that replicates runs no statements",
	"authtype":    "leave it out, it means nothing",
	"tty":         "leave it out, it means nothing",
}

const (
	noticed = "leave it out, a silent database host is noticed within a minute"
	revoked = "leave it out, lists of revoked certificates are not read here: name other authorities in sslrootcert"
	noOAuth = "give a password, or sslcert and sslkey"
)

// beyondVariables are the environment variables of these parameters; the driver ignores them.
var beyondVariables = map[string]string{
	"PGHOSTADDR": "hostaddr", "PGLOADBALANCEHOSTS": "load_balance_hosts",
	"PGGSSENCMODE": "gssencmode", "PGGSSLIB": "gsslib", "PGGSSDELEGATION": "gssdelegation",
	"PGREQUIRESSL": "requiressl", "PGSSLCOMPRESSION": "sslcompression", "PGSSLCRL": "sslcrl", "PGSSLCRLDIR": "sslcrldir",
	"PGREQUIREPEER": "requirepeer", "PGSSLMINPROTOCOLVERSION": "ssl_min_protocol_version",
	"PGSSLMAXPROTOCOLVERSION": "ssl_max_protocol_version",
}

// Unknown returns what to say when libpq would heed something and the driver would not, in a
// variable, or in the parameters that the driver takes for settings of a session, be they from a
// connection string or from the service that it names; "" when there is nothing. No value is
// repeated.
func Unknown(parameters map[string]string) (cause, hint string) {
	var names, hints []string
	for _, name := range slices.Sorted(maps.Keys(beyond)) {
		if _, given := parameters[name]; given {
			names, hints = append(names, name), append(hints, name+": "+beyond[name])
		}
	}
	for _, variable := range slices.Sorted(maps.Keys(beyondVariables)) {
		if os.Getenv(variable) != "" {
			names, hints = append(names, variable), append(hints, variable+": unset it; "+beyond[beyondVariables[variable]])
		}
	}
	if len(names) == 0 {
		return "", ""
	}
	return "libpq's " + strings.Join(names, ", ") + " cannot be heeded here", strings.Join(hints, "; ")
}

// others are parameters that a connection string often has beside those of beyond.
var others = strings.Fields(`host port dbname database user password passfile connect_timeout sslmode sslkey sslcert sslcertmode
	sslrootcert sslnegotiation sslpassword sslsni krbspn krbsrvname target_session_attrs service servicefile min_protocol_version
	max_protocol_version channel_binding require_auth options application_name client_encoding statement_timeout lock_timeout
	search_path work_mem timezone role idle_in_transaction_session_timeout tcp_keepalives_idle`)

// Refused returns what to say when the server knows no setting of this name. It stands in the URL,
// in PGOPTIONS, or in a service.
func Refused(url, name string) (cause, hint string) {
	where := " in the service"
	if strings.Contains(url, name) {
		where = ""
	} else if options := os.Getenv("PGOPTIONS"); strings.Contains(strings.ReplaceAll(options, "-", "_"), name) {
		where = " in PGOPTIONS"
	}
	cause = fmt.Sprintf("neither libpq nor the server has a parameter %s%s", name, where)
	near := flags.Nearest(name, slices.Concat(others, slices.Sorted(maps.Keys(beyond))))
	switch {
	case near == "":
		return cause, "correct its name, or leave it out; one of an extension has a dot in it"
	case beyond[near] != "":
		return cause, "did you mean " + near + "? " + beyond[near]
	}
	return cause, "did you mean " + near + "?"
}

// Instead says what to give where the driver does not understand a parameter, wherever that is
// from; otherwise, how a URL is written.
func Instead(url, cause, otherwise string) string {
	for _, one := range [][2]string{
		{"invalid port", "give a port from 1 to 65535"},
		{"sslmode", "give disable, allow, prefer, require, verify-ca or verify-full"},
		{"connect_timeout", "give whole seconds, such as 5"},
		{"target_session_attrs", "leave it out, or give any, read-write, read-only, primary, standby or prefer-standby"},
		{"service", "correct PGSERVICE (service=), or the file that PGSERVICEFILE names; without it, ~/.pg_service.conf is read"},
		{"CA file", "correct sslrootcert (PGSSLROOTCERT), and let this user read that file"},
	} {
		if !strings.Contains(cause, one[0]) {
			continue
		}
		if strings.Contains(url, "://") { // half a password looks like anything
			return one[1] + "; a URL is " + strings.TrimPrefix(otherwise, "give ")
		}
		return one[1]
	}
	return otherwise
}
