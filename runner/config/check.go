package config

import (
	"errors"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Upper bounds that no lab comes near. They keep sums such as the pause plus its jitter, or a limit plus one byte, from
// overflowing; SQL takes counts as 32-bit integers.
const (
	maxDuration = 100_000 * time.Hour
	maxBytes    = Bytes(1 << 40)
	maxCount    = math.MaxInt32
)

// ValidateSettings checks everything that can be checked whatever the command is, and returns one *SettingError for
// each setting that cannot be used, joined (errors.Join). Settings that are missing are the business of ValidateShard
// and ValidateDatabase. Formats and choices have been checked by kong.
//
// Sizes have no lower bound but one byte: a job larger than --max-upload-bytes goes alone, so even 1 works, slowly.
func (c *Config) ValidateSettings() error {
	return errors.Join(
		checkShardHostname(c.ShardHostname),
		c.checkMaster(),
		c.checkTLS(),
		checkLogin(c.User),
		c.DatabaseURL.check(),
		checkDuration("heartbeat-pause", c.HeartbeatPause, time.Nanosecond),
		checkDuration("drain-pause", c.DrainPause, time.Nanosecond),
		checkDuration("startup-splay", c.Splay(), 0),
		checkDuration("rpc-timeout", c.RPCTimeout, time.Nanosecond),
		checkDuration("stop-timeout", c.StopTimeout, 0),
		checkDuration("lifetime", c.Lifetime, 0),
		checkCount("max-upload-jobs", c.MaxUploadJobs),
		checkBytes("max-upload-bytes", c.MaxUploadBytes),
		checkBytes("max-response-bytes", c.MaxResponseBytes),
		checkCount("apply-chunk", c.ApplyChunk),
		checkCount("history-keep", c.HistoryKeep),
		checkCount("quarantine-keep", c.QuarantineKeep),
		checkListen(c.Listen),
	)
}

// ValidateShard checks that what run and once cannot do without is there: the shard's host name, the master, a user
// and the database. It returns one *SettingError for each that is missing, joined.
func (c *Config) ValidateShard() error {
	var errs []error
	if c.ShardHostname == "" {
		errs = append(errs, missing("shard-hostname", "shard-client runs on shards only, and a master has no shard host name",
			"this shard's host name as the master knows it"))
	}
	if c.Master == "" {
		errs = append(errs, missingMaster())
	}
	login, err := c.Login()
	if err == nil && c.User == "" {
		err = checkLogin(login)
	}
	return errors.Join(append(errs, err, c.ValidateDatabase())...)
}

// ValidateDatabase checks that something says where the database is: --database-url, or a variable by which libpq finds
// one. Without any, a driver would silently try localhost. It returns a *SettingError.
func (c *Config) ValidateDatabase() error {
	if c.DatabaseURL != "" {
		return nil
	}
	for _, name := range locatingVariables {
		if os.Getenv(name) != "" {
			return nil
		}
	}
	err := missing("database-url", "nothing says where the shard's PostgreSQL is", "its URL (postgres://USER@HOST/DATABASE)")
	err.Hint += ", or set libpq's PGHOST, PGDATABASE or PGSERVICE"
	return err
}

// missing is the error of a setting that a command needs and nobody has given.
func missing(flag, cause, what string) *SettingError {
	return &SettingError{Flag: flag, Cause: cause, Hint: "set --" + flag + " or " + variable(flag) + " to " + what}
}

// variable is the name of a flag's environment variable.
func variable(flag string) string {
	return "SHARD_CLIENT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// checkShardHostname refuses what would travel in a request but not be read: the master answers 500 to any character
// outside ASCII, escaped or not, and every beat would fail.
func checkShardHostname(name string) error {
	if i := strings.IndexFunc(name, notGraphicASCII); i >= 0 {
		return &SettingError{"shard-hostname", name, unusable(name[i:]), "give the host name as the master has it, in printable ASCII without spaces"}
	}
	return nil
}

// checkLogin refuses what cannot stand in an HTTP header (RFC 9110, 5.5) or is trimmed there.
func checkLogin(login string) error {
	hint := "give a login of printable ASCII characters; it travels in an HTTP header"
	for i, r := range login {
		if r != ' ' && notGraphicASCII(r) {
			return &SettingError{"user", login, unusable(login[i:]), hint}
		}
	}
	if strings.TrimSpace(login) != login {
		return &SettingError{"user", login, "it begins or ends with a space", hint}
	}
	return nil
}

// checkListen takes a number for the port only: a name such as http hides that it needs privileges. Port 0 is any free one.
func checkListen(address string) error {
	host, port, err := net.SplitHostPort(address)
	wrong, malformed := errors.AsType[*net.AddrError](err)
	bad := strings.IndexFunc(host, notGraphicASCII)
	_, err = strconv.ParseUint(port, 10, 16)
	var cause string
	switch {
	case address == "":
		return nil
	case malformed:
		cause = wrong.Err
	case bad >= 0:
		cause = unusable(host[bad:])
	case err != nil:
		cause = "its port is not between 0 and 65535"
	default:
		return nil
	}
	return &SettingError{"listen", address, cause, "give HOST:PORT such as localhost:9464, or :PORT for every interface"}
}

func checkDuration(flag string, d, least time.Duration) error {
	switch {
	case d < least && least > 0:
		return &SettingError{flag, d.String(), "it must be longer than 0", "give a duration such as 300ms, 60s or 30m"}
	case d < least:
		return &SettingError{flag, d.String(), "it must not be negative", "give 0 or a duration such as 300ms, 60s or 30m"}
	case d > maxDuration:
		return &SettingError{flag, d.String(), "it must not be longer than " + maxDuration.String(), "give a duration such as 300ms, 60s or 30m"}
	}
	return nil
}

func checkCount(flag string, n int) error {
	if n >= 1 && n <= maxCount {
		return nil
	}
	return &SettingError{flag, strconv.Itoa(n), "it is out of range", "give a number from 1 to " + strconv.Itoa(maxCount)}
}

func checkBytes(flag string, b Bytes) error {
	if b >= 1 && b <= maxBytes {
		return nil
	}
	return &SettingError{flag, b.String(), "it is out of range", "give a size from 1 byte to " + maxBytes.String()}
}

func notGraphicASCII(r rune) bool { return r <= ' ' || r > '~' }

// unusable names the character that rest begins with.
func unusable(rest string) string {
	return "it contains " + strconv.QuoteRuneToASCII([]rune(rest)[0])
}

func quoted(s string) string { return strconv.QuoteToASCII(s) }
