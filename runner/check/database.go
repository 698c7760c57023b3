package check

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"shardclient/gen/sharddb"
	"shardclient/runner/lock"
	"shardclient/runner/operator"
	"shardclient/runner/pg"
	"shardclient/runner/poolers"
	"shardclient/runner/screen"
	"shardclient/schema"
)

// database connects. Whether a pooler is in between is asked with the first connections: behind
// some poolers, no other could be trusted.
func (c *Checks) database(ctx context.Context) Result {
	if c.DatabaseError != nil {
		return c.failed(c.DatabaseError)
	}
	err := poolers.Direct(ctx, c.Door)
	if pg.TakesNoWrites(err) {
		c.Door.AnyServer = true
		err = poolers.Direct(ctx, c.Door)
	}
	if c.between, _ = errors.AsType[*poolers.Error](err); err != nil && c.between == nil {
		return c.failed(c.Explain(err))
	}
	if c.pool, err = c.Door.Open(ctx); err != nil {
		return c.failed(err)
	}
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return c.failed(err)
	}
	defer conn.Release()
	config, where := conn.Conn().Config(), conn.Conn().Config().Host
	if address := conn.Conn().PgConn().Conn().RemoteAddr(); len(config.Fallbacks) > 0 && address.Network() == "tcp" {
		where = address.String() // of several, the one that takes writes
	}
	return ok(fmt.Sprintf("PostgreSQL answers at %s, as %s in database %s", where, config.User, config.Database))
}

func (c *Checks) pooler(ctx context.Context) Result {
	if c.between != nil {
		return fail(c.between.Cause(), poolers.Hint)
	}
	conn, err := c.pool.Acquire(ctx)
	if err != nil {
		return c.failed(err)
	}
	defer conn.Release()
	server, err := sharddb.New(conn).CheckServer(ctx)
	switch {
	case err != nil:
		return c.failed(err)
	case uint32(server.BackendPid) != conn.Conn().PgConn().PID():
		return ok("one in session mode is in between, which works")
	}
	return ok("none in between")
}

// look asks what cannot change anything.
func (c *Checks) look(ctx context.Context, ask func(*sharddb.Queries) error) error {
	return operator.Look(ctx, c.pool, ask)
}

// server is new enough, or there would be no connection to it.
func (c *Checks) server(ctx context.Context) Result {
	var s sharddb.CheckServerRow
	err := c.look(ctx, func(q *sharddb.Queries) (err error) { s, err = q.CheckServer(ctx); return err })
	text := fmt.Sprintf("PostgreSQL %s, encoding %s", s.Version, s.Encoding)
	switch {
	case err != nil:
		return c.failed(err)
	case s.Standby:
		c.standby = true
		return fail(text+": a standby, which takes no writes, so that run and once would refuse it",
			"name the primary in --database-url, or both servers")
	case c.Door.AnyServer:
		return fail(text+": it takes no writes (default_transaction_read_only), so that run and once would refuse it",
			"name the primary in --database-url, or let this server take writes")
	case s.Encoding != "UTF8":
		return warn(text+": what is no text in it and in UTF8 alike is set aside", "move the database to one in UTF8, when there is time")
	}
	return ok(text)
}

// session compares the settings of a session with those that the client gives it. Somebody in
// between may take them back.
func (c *Checks) session(ctx context.Context) Result {
	want := pg.Known()
	delete(want, "default_transaction_read_only") // the server may have the last word, and has been asked
	want["session_replication_role"] = "origin"   // otherwise no foreign key is checked and no trigger runs
	var rows []sharddb.CheckSettingsRow
	err := c.look(ctx, func(q *sharddb.Queries) (err error) {
		rows, err = q.CheckSettings(ctx, slices.Collect(maps.Keys(want)))
		return err
	})
	if err != nil {
		return c.failed(err)
	}
	var wrong []string
	for _, row := range rows {
		asked := want[*row.Name]
		if d, err := time.ParseDuration(asked); err == nil {
			asked = fmt.Sprint(d.Milliseconds()) // as the server shows it
		}
		if row.Setting != nil && *row.Setting != asked {
			wrong = append(wrong, fmt.Sprintf("%s is %s, not %s", *row.Name, *row.Setting, asked))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fail(strings.Join(wrong, "; "), "look what sets it: the role, the database, --database-url or a pooler")
	}
	return ok(fmt.Sprintf("%d settings are as the client needs them", len(rows)))
}

func (c *Checks) schema(ctx context.Context) Result {
	version, err := schema.Latest()
	if err == nil {
		err = schema.Check(ctx, c.pool)
	}
	if err != nil {
		return c.failed(err) // it says what to do
	}
	return ok(fmt.Sprintf("version %d, that of this binary", version))
}

func (c *Checks) strangers(ctx context.Context) Result {
	found, err := schema.FindStrangers(ctx, c.pool)
	switch {
	case err != nil:
		return c.failed(err)
	case found.Roles != "":
		return warn(fmt.Sprintf("%s may create functions in schema %s", found.Roles, found.Schema),
			"run shard-client migrate grant as the owner, or revoke CREATE: such a function could be called in place of PostgreSQL's own")
	case found.Functions != "":
		return warn(fmt.Sprintf("others have made functions in schema %s: %s", found.Schema, found.Functions), "drop those that are not yours")
	}
	return ok("nobody else may create functions in schema " + found.Schema)
}

// lock is ok with a client that holds it: a resident one should.
func (c *Checks) lock(ctx context.Context) Result {
	var now, last *operator.Holder
	err := c.look(ctx, func(q *sharddb.Queries) (err error) { now, last, err = operator.ReadHolder(ctx, q); return err })
	switch {
	case err != nil:
		return c.failed(err)
	case now != nil:
		return ok(now.Words(c.Now()))
	case c.standby:
		return skipped("a lock is seen at the primary only")
	case last != nil:
		return ok("free; last held by " + last.Who)
	}
	return ok("free; no client has served this database yet")
}

// copied does not look through [Checks.look]: where the role may not ask for the server's
// identifier, its question fails, and would fail the rest of a transaction.
func (c *Checks) copied(ctx context.Context) Result {
	err := lock.Copied(ctx, sharddb.New(c.pool))
	if found, is := errors.AsType[*lock.CopyError](err); is {
		return fail(fmt.Sprintf("this database is a copy, or was restored: it was last served elsewhere, by %s", found.Who),
			"make sure that the other one is served no more, then say so: shard-client adopt")
	}
	if err != nil {
		return c.failed(err)
	}
	return ok("the database is where it was served before, if it was")
}

// longOpen is far longer than any statement of a scheduler takes.
const longOpen = time.Minute

// sessions looks for transactions that stay open: what they have locked is left out of every beat.
func (c *Checks) sessions(ctx context.Context) Result {
	var rows []sharddb.CheckTransactionsRow
	var hidden int64
	err := c.look(ctx, func(q *sharddb.Queries) (err error) {
		if rows, err = q.CheckTransactions(ctx, c.open.Seconds()); err == nil {
			hidden, err = q.CheckHiddenTransactions(ctx)
		}
		return err
	})
	if err != nil {
		return c.failed(err)
	}
	var open []string
	for _, r := range rows {
		age := screen.Duration(time.Duration(r.Seconds * float64(time.Second)))
		open = append(open, fmt.Sprintf("database backend %d (%s, as %s) is %s for %s", r.BackendPid, r.ApplicationName, r.Role, r.State, age))
	}
	if len(open) > 0 {
		return warn("transactions stay open: "+some(open), "what they have locked is left out of every beat: "+
			"end them where they run, or with shard-client sessions end BACKEND")
	}
	if hidden > 0 {
		return ok(fmt.Sprintf("no transaction of this role is open for a minute; of %d of other roles, only a member of "+
			"pg_read_all_stats sees since when", hidden))
	}
	return ok("no transaction is open for a minute")
}

// maxSkew is how far two clocks may be apart: further, and no two logs can be laid side by side.
const maxSkew = 5 * time.Second

func (c *Checks) databaseClock(ctx context.Context) Result {
	before := c.Now()
	var theirs time.Time
	err := c.look(ctx, func(q *sharddb.Queries) (err error) { theirs, err = q.CheckClock(ctx); return err })
	if err != nil {
		return c.failed(err)
	}
	return skew("the database", theirs, before, c.Now(), 0)
}

// skew compares a clock with ours, which was asked before and after it.
func skew(whose string, theirs, before, after time.Time, resolution time.Duration) Result {
	late := max(before.Sub(theirs.Add(resolution)), theirs.Sub(after), 0)
	if late <= maxSkew {
		return ok("the clock of " + whose + " agrees with this machine's")
	}
	direction := "ahead of"
	if theirs.Before(before) {
		direction = "behind"
	}
	return warn(fmt.Sprintf("the clock of %s is %v %s this machine's", whose, late.Round(time.Second), direction),
		"set both clocks by NTP: times in log, history and jobs do not fit together")
}
