package bench

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"

	"shardclient/gen/labdb"
)

const (
	// fewBeats and moreBeats are two runs; what the second costs more is the price of beats alone,
	// without that of starting. PostgreSQL plans a statement five times with its arguments and once
	// without, so both runs have done with planning.
	fewBeats, moreBeats = 8, 128

	// knownJobs are open on the shard whose idle beats are measured.
	knownJobs = 1000

	// historyID is the id of the first finished job.
	historyID = 1_000_001
)

// idle measures beats that have nothing to do: what they ask PostgreSQL, the pages that they read
// there beside many finished jobs and beside none, and what the process itself needs.
func (at *site) idle(ctx context.Context) error {
	if err := at.idleDatabases(ctx); err != nil {
		return err
	}
	for range at.Rounds {
		few, err := at.idleRun(ctx, "idle")
		if err != nil {
			return err
		}
		many, err := at.idleRun(ctx, "history")
		if err != nil {
			return err
		}
		at.addIdle(few, many)
	}
	return at.addBinary()
}

// known makes a database with some open jobs, once, and returns its name.
func (at *site) known(ctx context.Context) (string, error) {
	const name = "known"
	if at.hasKnown {
		return name, nil
	}
	if err := at.server.CreateDatabase(ctx, name, at.subject.template); err != nil {
		return name, err
	}
	at.hasKnown = true
	return name, at.with(ctx, name, func(db *database) error {
		return errors.Join(makeRows(knownJobs).copyTo(ctx, db.Queries), db.BenchVacuum(ctx))
	})
}

// idleDatabases makes a database with some open jobs, and one that has finished jobs beside them.
func (at *site) idleDatabases(ctx context.Context) error {
	template, err := at.known(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"idle", "history"} {
		if err := at.server.CreateDatabase(ctx, name, template); err != nil {
			return err
		}
	}
	return at.with(ctx, "history", func(db *database) error {
		return errors.Join(at.addHistory(ctx, db.name, at.Finished), db.BenchVacuum(ctx), db.BenchCheckpoint(ctx))
	})
}

// addHistory adds finished jobs. Nothing about them is checked, which takes most of the time.
func (at *site) addHistory(ctx context.Context, name string, jobs int64) error {
	config, err := pgx.ParseConfig(at.server.URL(name))
	if err != nil {
		return err
	}
	config.RuntimeParams["session_replication_role"] = "replica"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("connect to database %s: %w", name, err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // its work is committed
	q, last := labdb.New(conn), historyID+jobs-1
	if err := q.BenchHistoryJobs(ctx, historyID, last); err != nil {
		return fmt.Errorf("add %d finished jobs: %w", jobs, err)
	}
	if err := q.BenchHistoryEntries(ctx, historyID, last); err != nil {
		return fmt.Errorf("add %d finished entries: %w", jobs, err)
	}
	return nil
}

// with connects to a database for as long as the function takes.
func (at *site) with(ctx context.Context, name string, use func(*database) error) error {
	db, err := at.connect(ctx, name)
	if err != nil {
		return err
	}
	return errors.Join(use(db), db.Close(context.WithoutCancel(ctx)))
}

// idleCost is what one idle beat costs.
type idleCost struct {
	trips, statements, transactions float64
	buffers                         float64
	ms                              float64
	firstPacket                     float64 // ms from the start of the process
	resident                        float64 // bytes
}

// idleRun lets one client beat a few times, and another one more often. One before them fills
// PostgreSQL's own caches of a new database.
func (at *site) idleRun(ctx context.Context, name string) (cost idleCost, err error) {
	if cost, err = at.idleBeats(ctx, name, fewBeats); err != nil {
		return cost, err
	}
	before, err := at.admin.BenchBuffers(ctx, name)
	if err != nil {
		return cost, err
	}
	if cost, err = at.idleBeats(ctx, name, fewBeats); err != nil {
		return cost, err
	}
	between, err := at.admin.BenchBuffers(ctx, name)
	if err != nil {
		return cost, err
	}
	if cost, err = at.idleBeats(ctx, name, moreBeats); err != nil {
		return cost, err
	}
	after, err := at.admin.BenchBuffers(ctx, name)
	cost.buffers = float64((after-between)-(between-before)) / (moreBeats - fewBeats)
	return cost, err
}

// idleBeats lets a new client beat so often. The first beats prepare statements; what the relay
// counts is of the later ones.
func (at *site) idleBeats(ctx context.Context, name string, beats int) (cost idleCost, err error) {
	r, err := newRelay(socketOf(at.server.Directory()))
	if err != nil {
		return cost, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	c, err := at.subject.run(at.stub.url, r.url("shard", name))
	if err != nil {
		return cost, err
	}
	defer func() {
		c.stop()
		err = errors.Join(err, at.alone(ctx, name, 0))
	}()
	warm := min(fewBeats-2, beats/2)
	var from, to asked
	for i := range beats {
		request, err := c.request(ctx, at.stub)
		if err != nil {
			return cost, err
		}
		switch i {
		case 0:
			cost.firstPacket = float64(request.at.Sub(c.began).Microseconds()) / 1000
		case warm:
			from = r.counts()
		}
		to = r.counts()
		request.answer <- nothing
		f, err := c.beat(ctx)
		if err != nil {
			return cost, err
		}
		if i >= warm {
			cost.ms += f.PackedMS + f.AckMS + f.ApplyMS
		}
	}
	counted := float64(beats - 1 - warm)
	cost.trips = float64(to.trips-from.trips) / counted
	cost.statements = float64(to.statements-from.statements) / counted
	cost.transactions = float64(to.transactions-from.transactions) / counted
	cost.ms /= float64(beats - warm)
	used, err := c.used()
	cost.resident = float64(used.Resident)
	return cost, err
}

func (at *site) addIdle(few, many idleCost) {
	finished := thousands(int(at.Finished))
	for _, r := range []row{
		{what: "round trips of an idle beat to PostgreSQL", aim: 4, limit: 6, samples: []sample{{figure: few.trips}}},
		{what: "transactions of an idle beat", aim: 2, limit: 3, samples: []sample{{figure: few.transactions}}},
		{what: "statements of an idle beat", informs: true, samples: []sample{{figure: few.statements}}},
		{what: "pages read by an idle beat with " + finished + " finished jobs / with none", aim: 1, limit: 1.05,
			samples: []sample{{many.buffers, few.buffers}}},
		{what: "idle beat with " + finished + " finished jobs / with none", unit: "ms", timed: true, informs: true,
			samples: []sample{{many.ms, few.ms}}},
		{what: "start of the process to the first packet", unit: "ms", aim: 20, limit: 50, timed: true,
			samples: []sample{{figure: few.firstPacket}}},
		{what: "resident memory of an idle client", unit: "MB", aim: 16, limit: 24,
			samples: []sample{{figure: few.resident / megabyte}}},
	} {
		at.table.add(r)
	}
}

// addBinary tells the size of the program, and of what strip(1) would leave of it.
func (at *site) addBinary() error {
	built, err := os.Stat(at.Client)
	if err != nil {
		return fmt.Errorf("look at the program: %w", err)
	}
	size := float64(built.Size())
	at.table.add(row{what: "size of the program, as built", unit: "MB", informs: true, samples: []sample{{figure: size / megabyte}}})
	program, err := elf.Open(at.Client)
	if err != nil {
		at.printf("the size of the stripped program is not known: %v\n", err)
		return nil
	}
	defer func() { _ = program.Close() }() // it was only read
	for _, s := range program.Sections {
		if s.Name == ".symtab" || s.Name == ".strtab" || strings.HasPrefix(s.Name, ".debug") || strings.HasPrefix(s.Name, ".zdebug") {
			size -= float64(s.FileSize)
		}
	}
	at.table.add(row{what: "size of the program, stripped", unit: "MB", aim: 15, limit: 18, samples: []sample{{figure: size / megabyte}}})
	return nil
}
