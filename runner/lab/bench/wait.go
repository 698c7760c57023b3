package bench

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"shardclient/gen/labdb"
	"shardclient/runner/process"
)

const (
	// waitJobs is how many jobs are stored while a scheduler works.
	waitJobs = 10_000

	// aloneTime is how long a scheduler works without anybody beside it.
	aloneTime = 3 * time.Second

	// schedulerPause lies between two statements of a scheduler.
	schedulerPause = time.Millisecond

	// sameRowProbes work side by side, so that a chunk is met soon after it took its locks.
	sameRowProbes = 4

	// fewCores are as many as a client and its server keep busy.
	fewCores = 2

	// stride leads a probe through all entries in an order that meets each chunk early. It has no
	// common factor with the number of entries.
	stride = 4_999
)

// wait measures how long a scheduler's statements take while an answer is stored.
func (at *site) wait(ctx context.Context) error {
	l := makeLoad(waitJobs)
	aborted := makeRows(waitJobs)
	for i := range aborted.entries {
		aborted.entries[i].Aborted = true
	}
	changed := load{aborted, aborted.answer()}
	for range at.Rounds {
		if err := at.waitRound(ctx, l, changed); err != nil {
			return err
		}
	}
	return nil
}

// waitRound lets a scheduler work on a row that is in no answer, alone and while an answer of new
// jobs is stored; and then on the rows that an answer changes.
func (at *site) waitRound(ctx context.Context, l, changed load) (err error) {
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	if err := at.addHistory(ctx, db.name, 1); err != nil {
		return err
	}
	c, err := at.subject.run(at.stub.url, db.url)
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.exchange(ctx, at.stub, nothing); err != nil {
		return err
	}
	quiet, err := probes(ctx, db.url, 1, other, pause)
	if err != nil {
		return err
	}
	contended, err := besideLoops(ctx, db.url)
	if err != nil {
		return err
	}
	busy, err := probes(ctx, db.url, 1, other, func(ctx context.Context) error {
		_, err := c.exchange(ctx, at.stub, l.answer)
		return err
	})
	if err != nil {
		return err
	}
	copied, err := at.besideCopy(ctx, l)
	if err != nil {
		return err
	}
	entries := len(l.rows.entries)
	same, err := probes(ctx, db.url, sameRowProbes, func(n int) int64 { return int64(n*stride%entries + 2) }, func(ctx context.Context) error {
		_, err := c.exchange(ctx, at.stub, changed.answer)
		return err
	})
	if err != nil {
		return err
	}
	at.addWait(quiet, contended, busy, copied, same)
	return nil
}

// pause lets a scheduler work for a while.
func pause(ctx context.Context) error {
	timer := time.NewTimer(aloneTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
	return nil
}

// besideLoops lets a scheduler work while each core of the machine runs a loop that only computes.
func besideLoops(ctx context.Context, url string) (took []float64, err error) {
	for range runtime.NumCPU() {
		loop, err := process.Start(exec.Command("sh", "-c", "while :; do :; done"), syscall.SIGKILL)
		if err != nil {
			return nil, fmt.Errorf("start a loop that computes: %w", err)
		}
		defer loop.Kill()
	}
	return probes(ctx, url, 1, other, pause)
}

// other chooses a row that is in no answer.
func other(int) int64 { return historyID }

// besideCopy lets a scheduler work while PostgreSQL takes the rows of an answer by COPY.
func (at *site) besideCopy(ctx context.Context, l load) (took []float64, err error) {
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	if err := at.addHistory(ctx, db.name, 1); err != nil {
		return nil, err
	}
	return probes(ctx, db.url, 1, other, func(ctx context.Context) error { return db.copyIn(ctx, l.rows) })
}

// addWait adds what was measured. Where two cores are all that there are, the client and its server
// use both, and a statement of the scheduler waits for a core as it does beside any program. So it
// is judged there beside programs that only compute.
func (at *site) addWait(quiet, contended, busy, copied, same []float64) {
	p99 := func(took []float64) float64 { return quantile(took, 0.99) }
	for _, r := range []row{
		{what: "p99 of an UPDATE on another row while 10,000 jobs are stored / alone", aim: 3, limit: 5,
			informs: runtime.NumCPU() <= fewCores, samples: []sample{{p99(busy), p99(quiet)}}},
		{what: "p99 of an UPDATE on another row while 10,000 jobs are stored / while every core computes", aim: 1, limit: 1.25,
			samples: []sample{{p99(busy), p99(contended)}}},
		{what: "p99 of an UPDATE on another row while COPY stores their rows / alone", informs: true,
			samples: []sample{{p99(copied), p99(quiet)}}},
		{what: "p99 of an UPDATE on another row while every core computes / alone", informs: true,
			samples: []sample{{p99(contended), p99(quiet)}}},
		{what: "longest UPDATE on another row meanwhile", aim: 50, limit: 50, samples: []sample{{figure: slices.Max(busy)}}},
		{what: "longest wait of an UPDATE on the same rows", aim: 100, limit: 250, samples: []sample{{figure: slices.Max(same)}}},
	} {
		r.unit, r.timed = "ms", true
		at.table.add(r)
	}
}

// probes lets schedulers work while something happens, and returns how long each statement took, in
// milliseconds. row chooses the entry of the n-th statement.
func probes(
	ctx context.Context, url string, schedulers int, row func(n int) int64, during func(context.Context) error,
) (took []float64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan struct{})
	var working sync.WaitGroup
	var mu sync.Mutex
	for i := range schedulers {
		working.Go(func() {
			mine, failed := probe(ctx, url, over, func(n int) int64 { return row(n*schedulers + i) })
			mu.Lock()
			defer mu.Unlock()
			took, err = append(took, mine...), errors.Join(err, failed)
		})
	}
	failed := during(ctx)
	close(over)
	working.Wait()
	if err = errors.Join(failed, err); err == nil && len(took) == 0 {
		err = errors.New("no statement of the scheduler has ended")
	}
	return took, err
}

// probe updates one entry after the other until it is over.
func probe(ctx context.Context, url string, over <-chan struct{}, row func(n int) int64) (took []float64, err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect a scheduler: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // its work is committed
	q := labdb.New(conn)
	ticker := time.NewTicker(schedulerPause)
	defer ticker.Stop()
	for n := 0; ; n++ {
		began := time.Now()
		if err := q.BenchTouchEntry(ctx, row(n)); err != nil {
			return took, fmt.Errorf("a scheduler updates an entry: %w", err)
		}
		if n > 0 { // the first one is prepared
			took = append(took, since(began))
		}
		select {
		case <-over:
			return took, nil
		case <-ticker.C:
		}
	}
}
