package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"shardclient/runner/beat"
	"shardclient/runner/postgres"
)

const (
	// recordedProtocol is the newer of the two recorded versions.
	recordedProtocol = "2019"

	// shardDatabase is the database that the shard uses.
	shardDatabase = "shard"

	// timeLimit ends a replay that hangs. A whole one takes two seconds, mostly to start
	// PostgreSQL. A machine that is busy with other things may take a hundred times as long, and
	// what it replays is as right.
	timeLimit = 5 * time.Minute
)

// ErrFailed means that a replay failed. Its output says why, and ends with the verdict.
var ErrFailed = errors.New("the replay failed")

// Replay shows the first heartbeats of a shard. The shard-client binary, PostgreSQL and the bytes
// on the wire are real. A small HTTP server plays the master and gives its recorded answers; the
// scheduler's part is to run the statements that it writes between heartbeats. After each heartbeat
// the request and the database are compared with what the original client sent and stored.
type Replay struct {
	Client string       // path of the shard-client binary
	Out    io.Writer    // gets everything that is printed, at most 100 columns wide
	Logger *slog.Logger // for the private PostgreSQL; nil means silence

	// exchanges are the heartbeats to play. Nil means those recorded; tests tamper with them.
	exchanges []Exchange
}

// Run plays the replay and prints its verdict as the last line. The error is nil when everything
// agrees with the recording, the context's when that was cancelled, and [ErrFailed] otherwise.
func (r *Replay) Run(ctx context.Context) error {
	exchanges := r.exchanges
	if exchanges == nil {
		var err error
		if exchanges, err = Conversation(recordedProtocol); err != nil {
			return err
		}
	}
	hurried, cancel := context.WithTimeoutCause(ctx, timeLimit,
		fmt.Errorf("it did not end within %s: something hangs", timeLimit))
	defer cancel()
	this := &run{replay: r, exchanges: exchanges, page: page{out: r.Out}}
	err := this.play(hurried)
	if err != nil && hurried.Err() != nil {
		err = fmt.Errorf("%w; it was here: %w", context.Cause(hurried), err)
	}
	return this.verdict(ctx, err)
}

// run is one run of a replay, with everything that it uses.
type run struct {
	replay    *Replay
	exchanges []Exchange
	page      page

	client *clientProgram
	db     *pgx.Conn // runs the scheduler's statements and reads the tables
	master *recordedMaster

	played, different int
}

// play returns an error when it could not go on. A difference from the recording is not an error;
// it is counted.
func (r *run) play(ctx context.Context) (err error) {
	r.page.introduction(len(r.exchanges))
	server, err := postgres.Start(ctx, postgres.Options{Logger: r.replay.Logger})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	if err := server.CreateDatabase(ctx, shardDatabase, "template1"); err != nil {
		return err
	}
	r.client = &clientProgram{path: r.replay.Client, databaseURL: server.URL(shardDatabase)}
	if err := r.migrate(ctx, server); err != nil {
		return err
	}
	if r.db, err = pgx.Connect(ctx, server.URL(shardDatabase)); err != nil {
		return fmt.Errorf("look at the shard's database: %w", err)
	}
	defer func() { _ = r.db.Close(context.WithoutCancel(ctx)) }() // the server ends right after it
	if r.master, err = startRecordedMaster(); err != nil {
		return err
	}
	defer r.master.stop()
	return r.beats(ctx)
}

// migrate prepares the database. It is also the first proof that the binary works.
func (r *run) migrate(ctx context.Context, server *postgres.Server) error {
	version, err := r.client.run(ctx, "version")
	if err != nil {
		return err
	}
	if _, err := r.client.run(ctx, "migrate", "up"); err != nil {
		return err
	}
	r.page.cast(r.replay.Client, string(version), server)
	return nil
}

func (r *run) beats(ctx context.Context) error {
	hostname, err := shardHostname(r.exchanges[0])
	if err != nil {
		return err
	}
	arguments := []string{"once", "--shard-hostname", hostname, "--master", r.master.url, "--output", "json"}
	r.page.tableHead(arguments)
	for i, e := range r.exchanges {
		played, err := r.beat(ctx, e, arguments)
		if err != nil {
			return fmt.Errorf("heartbeat %d (%s): %w", i+1, e.Name, err)
		}
		r.played++
		if played.differs() {
			r.different++
		}
		r.page.beat(i+1, len(r.exchanges), played)
	}
	return nil
}

// playedBeat holds what one heartbeat did, and how it differs from the recorded one.
type playedBeat struct {
	name      string
	took      time.Duration // of the whole process
	scheduler schedulerWork // before it
	sent      sentCounts
	came      cameCounts
	stored    storedCounts

	// Differences; "" means none.
	requestDiff, databaseDiff, reportDiff string
}

func (b *playedBeat) differs() bool { return b.requestDiff+b.databaseDiff+b.reportDiff != "" }

// beat writes what the scheduler wrote before the recorded heartbeat, then runs shard-client for
// one heartbeat.
func (r *run) beat(ctx context.Context, e Exchange, arguments []string) (*playedBeat, error) {
	before, err := ReadSnapshot(ctx, r.db)
	if err != nil {
		return nil, err
	}
	if err := before.WriteAsScheduler(ctx, r.db, e.After); err != nil {
		return nil, err
	}
	between, err := ReadSnapshot(ctx, r.db)
	if err != nil {
		return nil, err
	}
	r.master.answerWith(e.Response)
	began := time.Now()
	report, err := r.client.run(ctx, arguments...)
	if err != nil {
		return nil, err
	}
	played := &playedBeat{name: e.Name, took: time.Since(began), scheduler: schedulerWrote(before, between)}
	after, err := ReadSnapshot(ctx, r.db)
	if err != nil {
		return nil, err
	}
	played.stored, played.databaseDiff = countStored(after), after.Diff(e.After)
	return played, played.readWire(e, r.master.received(), report)
}

// readWire counts what went over the wire, and compares it with the recording and with the client's
// own report.
func (b *playedBeat) readWire(e Exchange, requests [][]byte, report []byte) (err error) {
	if len(requests) != 1 {
		return fmt.Errorf("shard-client sent %d requests, want one for each heartbeat", len(requests))
	}
	b.requestDiff = DiffRequests(e.Request, requests[0])
	if b.sent, err = countSent(requests[0]); err != nil {
		return err
	}
	if b.came, err = countCame(e.Response.Body); err != nil {
		return err
	}
	said, err := readReport(report)
	if err != nil {
		return err
	}
	b.reportDiff = gocmp.Diff(reportCounts{b.sent, b.came.hosts, b.came.jobs, b.came.keyvals, 0}, said,
		gocmp.AllowUnexported(reportCounts{}, sentCounts{}))
	return nil
}

// verdict prints the last line and returns what Run returns.
func (r *run) verdict(ctx context.Context, err error) error {
	all := len(r.exchanges)
	switch {
	case err != nil && ctx.Err() != nil:
		r.page.linef("replay: FAILED: stopped after %d of %d heartbeats", r.played, all)
		return ctx.Err()
	case err != nil:
		r.page.trouble(err)
		r.page.linef("replay: FAILED: it could not go on after %d of %d heartbeats (see above)", r.played, all)
		return ErrFailed
	case r.different > 0:
		r.page.linef("replay: FAILED: %d of %d heartbeats differ from the recording (see above)", r.different, all)
		return ErrFailed
	}
	r.page.linef("replay: %d heartbeats, every request and every stored row as recorded: "+
		"database and recording agree", all)
	return nil
}

// reportCounts holds the counts that `once --output json` prints. quarantine must be 0, since every
// recorded object is sound.
type reportCounts struct {
	sent                             sentCounts
	hosts, jobs, keyvals, quarantine int
}

func reportOf(b beat.Report) reportCounts {
	return reportCounts{
		sent: sentCounts{
			knownHosts: b.KnownHosts, knownJobs: b.KnownJobs, jobs: b.UploadedJobs, entries: b.UploadedEntries,
		},
		hosts: b.ReceivedHosts, jobs: b.ReceivedJobs, keyvals: b.ReceivedKeyvals, quarantine: b.Quarantined,
	}
}
