// Package check looks whether a shard can beat, before it does: at the settings, the database, the
// master and the machine. It changes nothing anywhere: what it asks the database is asked in
// transactions that may not write, and what it asks the master are calls that only read
// (master.go).
//
// # Reading on
//
// [Checks.Run] goes through the steps in their order. A step that fails stops no other, but those
// that cannot be judged without it, which say so.
package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"net/url"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/hint"
	"shardclient/runner/pg"
	"shardclient/runner/poolers"
)

// Level is how a check ended.
type Level string

// The levels.
const (
	OK      Level = "ok"
	Warn    Level = "warn"    // it works, but not for long, not safely or not as was meant
	Fail    Level = "fail"    // no beat can be ok
	Skipped Level = "skipped" // it could not be looked at
)

// Result is what came of a check. Its JSON is a contract.
type Result struct {
	Name  string `json:"check"`
	Level Level  `json:"level"`
	Text  string `json:"text"`
	// Hint says what to do; "": nothing.
	Hint string `json:"hint"`
}

// Checks says what is to be checked.
type Checks struct {
	// Settings are what the settings themselves have come to, by whoever knows them.
	Settings []Result

	// Door leads to the database; nil: DatabaseError says why there is none.
	Door          *pg.Door
	DatabaseError error

	// Master is the address of the master; MasterError says why there is none, or none that can be
	// called.
	Master        *url.URL
	MasterError   error
	TLS           *tls.Config
	User          string
	UserAgent     string
	Protocol      string // auto, 2015 or 2019
	ShardHostname string

	SpoolDir         string // "": the system's
	MaxResponseBytes int64
	LogDir           string // "": none
	StateDir         string // "": none
	Listen           string // "": nowhere
	PprofListen      string // "": nowhere

	// Explain makes an error of the settings of one of the database that comes from them.
	Explain func(error) error
	// Redact makes the text of an error that may be shown.
	Redact func(error) string
	// Now is the clock of this machine; nil: time.Now.
	Now func() time.Time
	// Zone is that of this machine; nil: time.Local.
	Zone *time.Location

	open    time.Duration // how long a transaction may be; 0: longOpen
	pool    *pgxpool.Pool
	standby bool           // the database is one
	between *poolers.Error // nil: no pooler, or one that is of use
	master  *answer        // what the master said of its shards
}

// step is one check, and the one before it without which it cannot be judged.
type step struct {
	name, needs string
	look        func(*Checks, context.Context) Result
}

// The names of the steps that others need.
const (
	database  = "database"
	pooler    = "pooler"
	migrated  = "schema"
	theMaster = "master"
)

var steps = []step{
	{database, "", (*Checks).database},
	{pooler, database, (*Checks).pooler},
	{"server", pooler, (*Checks).server},
	{"session", pooler, (*Checks).session},
	{migrated, pooler, (*Checks).schema},
	{"tables", migrated, (*Checks).objects},
	{"rights", migrated, (*Checks).rights},
	{"strangers", migrated, (*Checks).strangers},
	{"scheduler", migrated, (*Checks).scheduler},
	{"lock", migrated, (*Checks).lock},
	{"copy", migrated, (*Checks).copied},
	{"sessions", pooler, (*Checks).sessions},
	{"db clock", pooler, (*Checks).databaseClock},
	{theMaster, "", (*Checks).askMaster},
	{"protocol", theMaster, (*Checks).protocol},
	{"shard", theMaster, (*Checks).shard},
	{"clock", theMaster, (*Checks).masterClock},
	{"time zone", theMaster, (*Checks).zone},
	{"spool", "", (*Checks).spool},
	{"log", "", (*Checks).log},
	{"state", "", (*Checks).state},
	{"listen", "", (*Checks).listen},
	{"pprof", "", (*Checks).pprof},
}

// Run checks one thing after the other, and tells each result at once.
func (c *Checks) Run(ctx context.Context, tell func(Result)) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Zone == nil {
		c.Zone = time.Local
	}
	if c.open == 0 {
		c.open = longOpen
	}
	defer func() {
		if c.pool != nil {
			c.pool.Close()
		}
	}()
	for _, result := range c.Settings {
		tell(result)
	}
	mend := map[string]string{} // of a step that is not ok, the one that has to be mended first
	for _, s := range steps {
		if ctx.Err() != nil {
			return
		}
		first, blocked := mend[s.needs]
		result := skipped(first + " comes first")
		if !blocked {
			first, result = s.name, s.look(c, ctx)
		}
		if result.Level == Fail || result.Level == Skipped {
			mend[s.name] = first
		}
		if result.Name = s.name; result.Text != "" { // or there was nothing to check
			tell(result)
		}
	}
}

func skipped(why string) Result     { return Result{Level: Skipped, Text: "not checked: " + why} }
func ok(text string) Result         { return Result{Level: OK, Text: text} }
func warn(text, hint string) Result { return Result{Level: Warn, Text: text, Hint: hint} }
func fail(text, hint string) Result { return Result{Level: Fail, Text: text, Hint: hint} }

// failed is the result of a check that an error kept from being made.
func (c *Checks) failed(err error) Result {
	if c.told(err) {
		return skipped("the settings come first")
	}
	text, remedy := apart(err, c.Redact(err))
	return fail(text, cmp.Or(remedy, hint.For("", err)))
}
