package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/mail"
	"os"
	"strconv"
	"strings"
	"time"
)

// Upper bounds that no lab comes near. They keep sums such as the pause plus its jitter, or a limit
// plus one byte, from overflowing; SQL takes counts as 32-bit integers.
const (
	maxDuration = 100_000 * time.Hour
	maxBytes    = Bytes(1 << 40)
	maxCount    = math.MaxInt32
)

// ValidateSettings checks all values that are given, whatever the command is. It returns one
// [*SettingError] for each setting that cannot be used, joined (errors.Join). Missing settings are
// for [Config.ValidateShard] and [Config.ValidateDatabase]; package flags checks formats and
// choices.
//
// Sizes may be as small as one byte: a job larger than --max-upload-bytes goes alone, so even 1
// works, slowly.
func (c *Config) ValidateSettings() error {
	return errors.Join(
		checkShardHostname(c.ShardHostname),
		c.checkMaster(),
		c.checkTLS(),
		checkLogin(c.User),
		c.DatabaseURL.check(),
		c.DatabaseURL.checkFiles(),
		checkDuration("heartbeat-pause", c.HeartbeatPause, time.Nanosecond),
		checkDuration("drain-pause", c.DrainPause, time.Nanosecond),
		checkSplay(c.StartupSplay),
		checkDuration("rpc-timeout", c.RPCTimeout, time.Nanosecond),
		checkDuration("stop-timeout", c.StopTimeout, 0),
		checkDuration("lock-timeout", c.LockTimeout, time.Nanosecond),
		checkLonger("beat-timeout", c.BeatTimeout, "rpc-timeout", c.RPCTimeout),
		checkLonger("finish-timeout", c.FinishTimeout, "stop-timeout", c.StopTimeout),
		checkDuration("lifetime", c.Lifetime, 0),
		checkNumber("max-upload-jobs", c.MaxUploadJobs, maxCount),
		checkNumber("max-upload-bytes", c.MaxUploadBytes, maxBytes),
		checkNumber("max-response-bytes", c.MaxResponseBytes, maxBytes),
		checkDirectory("spool-dir", c.SpoolDir),
		checkNumber("apply-chunk", c.ApplyChunk, maxCount),
		checkNumber("history-keep", c.HistoryKeep, maxCount),
		checkNumber("quarantine-keep", c.QuarantineKeep, maxCount),
		checkListen("listen", c.Listen),
		checkListen("pprof-listen", c.PprofListen),
		checkServer("statsd-addr", c.StatsdAddr, "8125"),
		checkStatsdPrefix(c.StatsdPrefix),
		checkDirectory("state-dir", c.StateDir),
		checkServer("smtp-addr", c.SMTPAddr, "25"),
		checkAddresses("alert-email-to", c.AlertEmailTo),
		checkAddresses("alert-email-from", c.AlertEmailFrom),
	)
}

// ValidateShard checks that the settings which run and once need are there: the shard's host name,
// the master, a user and the database. It returns one [*SettingError] for each that is missing,
// joined.
func (c *Config) ValidateShard() error {
	var errs []error
	if c.ShardHostname == "" {
		errs = append(errs, missing("shard-hostname",
			"none is set; shard-client runs on shards only, and a master has no shard host name",
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

// ValidateDatabase checks that a setting says where the database is: --database-url, or a variable
// by which libpq finds one. Without any, a driver would silently try localhost. The error is a
// [*SettingError].
func (c *Config) ValidateDatabase() error {
	if c.DatabaseURL != "" {
		return nil
	}
	for _, name := range locatingVariables {
		if os.Getenv(name) != "" {
			return nil
		}
	}
	err := missing("database-url", "nothing says where the shard's PostgreSQL is",
		"its URL (postgres://USER@HOST/DATABASE)")
	err.Hint += ", or set libpq's PGHOST, PGDATABASE or PGSERVICE"
	if _, no := os.Stat(ofService); no == nil && os.Getenv("USER") != "shard-client" {
		err.Hint += "; shard-clientctl in place of shard-client has the settings of the service"
	}
	return err
}

// ofService runs commands by hand with the settings of the service, and as its user, where a
// package is installed.
var ofService = "/usr/sbin/shard-clientctl"

// missing returns the error for a setting that a command needs and that is not given.
func missing(flag, cause, what string) *SettingError {
	return &SettingError{Flag: flag, Cause: cause, Hint: "set --" + flag + " or " + variable(flag) + " to " + what}
}

// variable returns the name of a flag's environment variable.
func variable(flag string) string {
	return "SHARD_CLIENT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// checkShardHostname refuses characters outside ASCII: the master answers 500 to them, escaped or
// not, and every beat would fail.
func checkShardHostname(name string) error {
	if i := strings.IndexFunc(name, notGraphicASCII); i >= 0 {
		return &SettingError{
			Flag: "shard-hostname", Value: name, Cause: unusable(name[i:]),
			Hint: "give the host name as the master has it, in printable ASCII without spaces",
		}
	}
	return nil
}

// checkLogin refuses a login that an HTTP header cannot hold (RFC 9110, 5.5) or would trim.
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

// checkListen accepts only a number for the port: a name such as http hides that it needs
// privileges. Port 0 is any free one.
func checkListen(flag, address string) error {
	if cause := wrongAddress(address, 0); cause != "" {
		return &SettingError{
			Flag: flag, Value: address, Cause: cause,
			Hint: "give HOST:PORT such as localhost:9464, or :PORT for every interface",
		}
	}
	return nil
}

// checkServer checks the address of a server that usually has this port. Whether it is there is for
// whoever calls it.
func checkServer(flag, address, port string) error {
	cause := wrongAddress(address, 1)
	if host, _, err := net.SplitHostPort(address); err == nil && host == "" {
		cause = "it names no host"
	}
	if strings.Contains(address, "@") { // what stands before it may be a password, and is not shown
		address, cause = "", "it holds a user or password, for which nothing asks"
	}
	if cause == "" {
		return nil
	}
	return &SettingError{Flag: flag, Value: address, Cause: cause, Hint: "give HOST:PORT such as localhost:" + port}
}

// wrongAddress returns why an address cannot be one; "" if it can, or is not given.
func wrongAddress(address string, lowestPort uint64) string {
	host, port, err := net.SplitHostPort(address)
	wrong, malformed := errors.AsType[*net.AddrError](err)
	bad := strings.IndexFunc(host, notGraphicASCII)
	number, err := strconv.ParseUint(port, 10, 16)
	switch {
	case address == "":
		return ""
	case malformed:
		return wrong.Err
	case bad >= 0:
		return unusable(host[bad:])
	case err != nil || number < lowestPort:
		return fmt.Sprintf("its port is not between %d and 65535", lowestPort)
	}
	return ""
}

// checkStatsdPrefix refuses what means something else in the lines of statsd.
func checkStatsdPrefix(prefix string) error {
	bad := strings.IndexFunc(prefix, func(r rune) bool { return notGraphicASCII(r) || strings.ContainsRune(":|@", r) })
	if bad < 0 {
		return nil
	}
	return &SettingError{"statsd-prefix", prefix, unusable(prefix[bad:]), "give letters, digits, _, - and dots"}
}

func checkDuration(flag string, d, least time.Duration) error {
	err := &SettingError{Flag: flag, Value: d.String(), Hint: "give a duration such as 300ms, 60s or 30m"}
	switch {
	case d < least && least > 0:
		err.Cause = "it must be longer than 0"
	case d < least:
		err.Cause, err.Hint = "it must not be negative", "give 0 or a duration such as 300ms, 60s or 30m"
	case d > maxDuration:
		err.Cause = "it must not be longer than " + maxDuration.String()
	default:
		return nil
	}
	return err
}

// checkSplay leaves a splay that follows from the pause to the check of the pause. nil: not given.
func checkSplay(d *time.Duration) error {
	if d == nil {
		return nil
	}
	return checkDuration("startup-splay", *d, 0)
}

// checkLonger refuses a time that would be over before that of an RPC may be: what a request may
// still do on the master could not be noted. nil: not given.
func checkLonger(flag string, d *time.Duration, than string, rpc time.Duration) error {
	switch {
	case d == nil:
		return nil
	case *d > rpc:
		return checkDuration(flag, *d, 0)
	}
	cause := "it must be longer than --" + than + ", which is " + rpc.String()
	return &SettingError{flag, d.String(), cause, "give more, shorten --" + than + ", or leave it out"}
}

func checkDirectory(flag, path string) error {
	if path == "" {
		return nil
	}
	cause := "it is not a directory"
	switch info, err := os.Stat(path); {
	case err != nil:
		cause = err.Error()
	case info.IsDir():
		return nil
	}
	return &SettingError{Flag: flag, Value: path, Cause: cause, Hint: "name a directory that this process may write to"}
}

// checkNumber refuses a count or a size that is not from 1 to most.
func checkNumber[N int | Bytes](flag string, n, most N) error {
	if n >= 1 && n <= most {
		return nil
	}
	return &SettingError{flag, fmt.Sprint(n), "it is out of range", fmt.Sprintf("give a number from 1 to %v", most)}
}

func notGraphicASCII(r rune) bool { return r <= ' ' || r > '~' }

// unusable returns the cause of an error about the character with which rest begins.
func unusable(rest string) string {
	return "it contains " + strconv.QuoteRuneToASCII([]rune(rest)[0])
}

func quoted(s string) string { return strconv.QuoteToASCII(s) }

// checkAddresses refuses what is outside ASCII, too: not every mail server takes it.
func checkAddresses(flag, list string) error {
	_, err := mail.ParseAddressList(list)
	bad := strings.IndexFunc(list, func(r rune) bool { return r != ' ' && notGraphicASCII(r) })
	var cause string
	switch {
	case list == "":
		return nil
	case bad >= 0:
		cause = unusable(list[bad:])
	case err != nil:
		cause = strings.TrimPrefix(err.Error(), "mail: ")
	default:
		return nil
	}
	return &SettingError{Flag: flag, Value: list, Cause: cause, Hint: "give an address such as lab@example.com"}
}
