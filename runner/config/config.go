// Package config owns the settings of shard-client: their names, defaults, help texts, and the
// rules that they must obey.
//
// # From flag to use
//
// A setting is a field of [Config], whose tags package flags reads. Every command accepts every
// setting, before or after its name. The value comes from the first of these that has one: the
// flag, the environment variable SHARD_CLIENT_<UPPER_SNAKE>, Autotest's configuration files at the
// place that the tag autotest names, the default. [Config.Complete] takes it from there, and
// [Sources] remembers where it was.
//
// [Config.ValidateSettings] then checks the values that are there, and [Config.ValidateShard] and
// [Config.ValidateDatabase] that none is missing which a command needs. Each error is a
// [*SettingError] that names the flag, the cause and what to do. Methods such as
// [Config.MasterURL], [Config.Login], [Config.Splay], [Config.WholeBeat] and [Config.TLS] return a
// setting in the form in which it is used.
//
// # Secrets
//
// A [DatabaseURL] shows no password, neither to fmt nor to log/slog nor to an encoder.
// [Config.Secrets] hides the passwords that the process knows in texts from elsewhere.
//
// # Limits
//
// The package reads only files that a setting names: Autotest's, and those with certificates, keys
// and passwords. It opens no connections and imports no driver: package pg checks what PostgreSQL's
// driver makes of a database URL.
package config

import (
	"log/slog"
	"os"
	"os/user"
	"strconv"
	"time"
)

// Config holds every setting of shard-client. The help texts say what each setting means.
type Config struct {
	AutotestConfig Paths `env:"SHARD_CLIENT_AUTOTEST_CONFIG" placeholder:"PATH" group:"Configuration files" help:"File of Autotest to take settings from that nothing else gives: global_config.ini, then shadow_config.ini. May be repeated, later ones override; in the variable with colons between."`

	ShardHostname string `autotest:"SHARD shard_hostname" env:"SHARD_CLIENT_SHARD_HOSTNAME" placeholder:"HOST" group:"Shard and master" help:"Host name of this shard, as the master knows it."`
	Master        string `autotest:"SERVER global_afe_hostname,SHARD global_afe_hostname" env:"SHARD_CLIENT_MASTER" placeholder:"HOST[:PORT]|URL" group:"Shard and master" help:"The master to beat to; http:// is assumed where no scheme is given."`
	User          string `env:"SHARD_CLIENT_USER" placeholder:"LOGIN" group:"Shard and master" help:"Login the master sees; default: the operating system's user."`
	Protocol      string `env:"SHARD_CLIENT_PROTOCOL" enum:"auto,2015,2019" default:"auto" group:"Shard and master" help:"Protocol version of the master."`

	CAFile     string `name:"ca-file" env:"SHARD_CLIENT_CA_FILE" placeholder:"PATH" group:"Shard and master" help:"PEM file of the authorities that may vouch for an https master, instead of the system's."`
	ClientCert string `env:"SHARD_CLIENT_CLIENT_CERT" placeholder:"PATH" group:"Shard and master" help:"PEM file of a certificate that an https master is shown; a new one is read without a restart."`
	ClientKey  string `env:"SHARD_CLIENT_CLIENT_KEY" placeholder:"PATH" group:"Shard and master" help:"PEM file of the key of --client-cert, without a passphrase."`

	DatabaseURL          DatabaseURL `autotest:"AUTOTEST_WEB" env:"SHARD_CLIENT_DATABASE_URL" placeholder:"URL" group:"Database" help:"The shard's PostgreSQL, as URL or key=value list; default: libpq's PG* variables. Use the environment for passwords: flags show in ps."`
	DatabasePasswordFile string      `env:"SHARD_CLIENT_DATABASE_PASSWORD_FILE" placeholder:"PATH" group:"Database" help:"File with the password, where the URL has none; read again for each connection."`

	HeartbeatPause time.Duration  `autotest:"SHARD heartbeat_pause_sec" env:"SHARD_CLIENT_HEARTBEAT_PAUSE" default:"60s" group:"Beat" help:"Time between two beats, +/-10 %."`
	StartupSplay   *time.Duration `env:"SHARD_CLIENT_STARTUP_SPLAY" placeholder:"DURATION" group:"Beat" help:"The first beat of run, and the first after an outage, waits a random part of this time; default: the pause; 0: no wait."`
	DrainPause     time.Duration  `env:"SHARD_CLIENT_DRAIN_PAUSE" default:"1s" group:"Beat" help:"Time between two beats while finished jobs are left over, or while the record that the master refuses is looked for."`
	RPCTimeout     time.Duration  `name:"rpc-timeout" env:"SHARD_CLIENT_RPC_TIMEOUT" default:"30m" group:"Beat" help:"Time one beat's RPC may take with all its retries."`
	StopTimeout    time.Duration  `env:"SHARD_CLIENT_STOP_TIMEOUT" default:"30s" group:"Beat" help:"Time an RPC in flight gets to finish after the first SIGINT or SIGTERM."`
	LockTimeout    time.Duration  `env:"SHARD_CLIENT_LOCK_TIMEOUT" default:"500ms" group:"Beat" help:"Time a step of a beat waits for what other sessions have locked in the database; keep it below the scheduler's deadlock_timeout."`
	BeatTimeout    *time.Duration `env:"SHARD_CLIENT_BEAT_TIMEOUT" placeholder:"DURATION" group:"Beat" help:"Time one beat may take, its RPC included; default: --rpc-timeout and 5m."`
	FinishTimeout  *time.Duration `env:"SHARD_CLIENT_FINISH_TIMEOUT" placeholder:"DURATION" group:"Beat" help:"Time the beat in hand gets to finish after the first SIGINT or SIGTERM, its RPC included; default: --stop-timeout and 45s."`
	Lifetime       time.Duration  `env:"SHARD_CLIENT_LIFETIME" default:"0" group:"Beat" help:"Time after which run ends by itself; 0: never."`

	MaxUploadJobs    int    `env:"SHARD_CLIENT_MAX_UPLOAD_JOBS" default:"1000" group:"Limits" help:"Finished jobs one beat uploads at most."`
	MaxUploadBytes   Bytes  `env:"SHARD_CLIENT_MAX_UPLOAD_BYTES" default:"16MiB" group:"Limits" help:"Size of a request's body; a job larger than it goes alone. Bytes, or with a unit."`
	MaxResponseBytes Bytes  `env:"SHARD_CLIENT_MAX_RESPONSE_BYTES" default:"256MiB" group:"Limits" help:"Size of the largest response that is read. Bytes, or with a unit."`
	SpoolDir         string `env:"SHARD_CLIENT_SPOOL_DIR" placeholder:"DIRECTORY" group:"Limits" help:"Directory for a response of more than 2 MiB while it is read; default: the system's for temporary files."`
	ApplyChunk       int    `env:"SHARD_CLIENT_APPLY_CHUNK" default:"500" group:"Limits" help:"Received objects stored in one transaction; of new ones, four times as many."`
	HistoryKeep      int    `env:"SHARD_CLIENT_HISTORY_KEEP" default:"10000" group:"Limits" help:"Beats kept in the history table, in rows."`
	QuarantineKeep   int    `env:"SHARD_CLIENT_QUARANTINE_KEEP" default:"10000" group:"Limits" help:"Objects kept in quarantine, in rows of each direction."`

	LogFormat    string `env:"SHARD_CLIENT_LOG_FORMAT" enum:"text,json" default:"text" group:"Output" help:"Format of log lines."`
	LogLevel     string `env:"SHARD_CLIENT_LOG_LEVEL" enum:"debug,info,warn,error" default:"info" group:"Output" help:"Least severe lines to log."`
	LogDir       string `env:"SHARD_CLIENT_LOG_DIR,AUTOTEST_SCHEDULER_LOG_DIR" placeholder:"DIR" group:"Output" help:"Directory for a log file of each run or once, beside the log on stderr."`
	Output       string `env:"SHARD_CLIENT_OUTPUT" enum:"text,json" default:"text" group:"Output" help:"Format of results on stdout."`
	Listen       string `env:"SHARD_CLIENT_LISTEN" placeholder:"[HOST]:PORT" group:"Output" help:"Address at which run serves a status page, /metrics, /healthz and /readyz; default: none."`
	PprofListen  string `env:"SHARD_CLIENT_PPROF_LISTEN" placeholder:"[HOST]:PORT" group:"Output" help:"Address at which run serves profiles of itself, for go tool pprof; keep it to localhost; default: none."`
	StatsdAddr   string `env:"SHARD_CLIENT_STATSD_ADDR" placeholder:"HOST:PORT" group:"Output" help:"Statsd server that run sends the original's figures to, over UDP; default: none."`
	StatsdPrefix string `autotest:"SERVER hostname" env:"SHARD_CLIENT_STATSD_PREFIX" default:"localhost" group:"Output" help:"What their names begin with: Autotest's [SERVER] hostname, with _ in place of its dots."`

	StateDir       string `env:"SHARD_CLIENT_STATE_DIR,STATE_DIRECTORY" placeholder:"DIRECTORY" group:"When it dies" help:"Directory in which run keeps how it ended; systemd's StateDirectory= sets it; default: none."`
	AlertEmailTo   string `autotest:"NOTIFICATIONS notify_email_errors,NOTIFICATIONS notify_email,SCHEDULER notify_email_errors" env:"SHARD_CLIENT_ALERT_EMAIL_TO" placeholder:"ADDRESS,..." group:"When it dies" help:"Addresses that run mails to when it has died, or a beat of it with a panic; default: none."`
	AlertEmailFrom string `autotest:"NOTIFICATIONS notify_email_from,SCHEDULER notify_email_from" env:"SHARD_CLIENT_ALERT_EMAIL_FROM" placeholder:"ADDRESS" group:"When it dies" help:"Sender of these mails; default: shard-client at this machine."`
	SMTPAddr       string `name:"smtp-addr" env:"SHARD_CLIENT_SMTP_ADDR" placeholder:"HOST:PORT" group:"When it dies" help:"Mail server that takes them without a login; default: none."`
}

// Splay returns the time over which the first beat of run is spread: StartupSplay where it was
// given, even as 0, and otherwise HeartbeatPause. Without it (docs/promises.md, "beating in
// phase"), all shards hit the master together.
func (c *Config) Splay() time.Duration {
	if c.StartupSplay != nil {
		return *c.StartupSplay
	}
	return c.HeartbeatPause
}

// What a beat and a stop may take in the database, beside the RPC, where no setting says so. A beat
// has statements that may each wait for a lock until their own time-out. The stop then ends within
// the 90 s that systemd gives a unit.
const (
	beatInDatabase   = 5 * time.Minute
	finishInDatabase = 45 * time.Second
)

// WholeBeat returns the time that one beat may take: BeatTimeout where it was given, and otherwise
// RPCTimeout and five minutes.
func (c *Config) WholeBeat() time.Duration {
	if c.BeatTimeout != nil {
		return *c.BeatTimeout
	}
	return min(c.RPCTimeout+beatInDatabase, maxDuration)
}

// WholeStop returns the time that the beat in hand gets after the first signal: FinishTimeout where
// it was given, and otherwise StopTimeout and 45 seconds.
func (c *Config) WholeStop() time.Duration {
	if c.FinishTimeout != nil {
		return *c.FinishTimeout
	}
	return min(c.StopTimeout+finishInDatabase, maxDuration)
}

// Level returns LogLevel for log/slog; Info for a value that is none of the choices.
func (c *Config) Level() slog.Level {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel))
	return level
}

// Login returns the name that the master sees in the Authorization header: User where it was given,
// and otherwise the name of the operating system's user that runs the process, as in the original.
// LOGNAME and USER count only where that user has no entry in the user database, as in containers:
// su and setpriv leave them as the caller had them. The error is a [*SettingError].
func (c *Config) Login() (string, error) {
	if c.User != "" {
		return c.User, nil
	}
	uid := strconv.Itoa(os.Getuid())
	if u, err := user.LookupId(uid); err == nil && u.Username != "" {
		return u.Username, nil
	}
	for _, name := range []string{"LOGNAME", "USER"} {
		if login := os.Getenv(name); login != "" {
			return login, nil
		}
	}
	return "", missing("user", "the operating system's user "+uid+" has no name", "a login known to the master")
}

// SettingError is the error of every check of this package: one setting that is missing or cannot
// be used.
type SettingError struct {
	Flag  string // without dashes
	Value string // as given; "" when it is missing or must not be shown
	Cause string // what is wrong
	Hint  string // what to do
}

// Error returns `--flag "value": cause: hint`.
func (e *SettingError) Error() string {
	text := "--" + e.Flag
	if e.Value != "" {
		text += " " + quoted(e.Value)
	}
	return text + ": " + e.Cause + ": " + e.Hint
}
