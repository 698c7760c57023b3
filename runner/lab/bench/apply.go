package bench

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shardclient/gen/labdb"
	"shardclient/runner/lab/usage"
)

// megabyte is the unit of memory and of answers.
const megabyte = 1e6

// load is an answer, and what it leaves.
type load struct {
	rows   *rows
	answer []byte
}

func makeLoad(jobs int) load {
	r := makeRows(jobs)
	return load{r, r.answer()}
}

// name is how rows of the table call the load.
func (l load) name() string {
	return fmt.Sprintf("%s jobs (%s MB)", thousands(len(l.rows.jobs)), number(float64(len(l.answer))/megabyte))
}

// thousands writes a count with commas.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}

// stored is what it took to store an answer in an empty database, and, for a client, to be sent the
// same answer again.
type stored struct {
	apply, again   float64 // ms
	total          float64 // ms of the whole beat
	decode         float64 // ms from the request to the decoded answer, without the transfer
	wal, againWAL  float64 // bytes
	peak           float64 // bytes
	client, server time.Duration
	digest         labdb.BenchDigestRow
	rewritten      float64 // rows, by the same answer again
}

// apply stores answers of all sizes, by the subject and by COPY.
func (at *site) apply(ctx context.Context) error {
	var loads []load
	for _, jobs := range at.Jobs {
		loads = append(loads, makeLoad(jobs))
	}
	for round := range at.Rounds {
		perJob := make([]stored, len(loads))
		for i, l := range loads {
			var err error
			if perJob[i], err = at.applyRound(ctx, l, round); err != nil {
				return fmt.Errorf("round %d, %s: %w", round+1, l.name(), err)
			}
		}
		at.addGrowth(loads, perJob)
	}
	return nil
}

// applyRound measures one size once.
func (at *site) applyRound(ctx context.Context, l load, round int) (stored, error) {
	var floor stored
	all := map[*program]stored{}
	var err error
	steps := []func(){func() { floor, err = at.copyFloor(ctx, l) }}
	for _, p := range at.programs() {
		steps = append(steps, func() { all[p], err = at.store(ctx, p, l) })
	}
	for i := range steps {
		if steps[(i+round)%len(steps)](); err != nil {
			return stored{}, err
		}
	}
	s := all[at.subject]
	if s.digest != floor.digest {
		return s, fmt.Errorf("shard-client has stored %d rows with digest %s, COPY %d with digest %s: they did not do the same work",
			s.digest.AllRows, s.digest.Digest, floor.digest.AllRows, floor.digest.Digest)
	}
	at.addApply(l, s, floor)
	size := float64(len(l.answer)) / megabyte
	at.times.add(at.subject.label(), point{size, s.apply / 1000})
	at.times.add("COPY", point{size, floor.apply / 1000})
	at.peaks.add(at.subject.label(), point{size, s.peak / megabyte})
	if at.base != nil {
		b := all[at.base]
		at.times.add(at.base.label(), point{size, b.apply / 1000})
		at.peaks.add(at.base.label(), point{size, b.peak / megabyte})
		// How much faster it is to be depends on the other build.
		at.table.add(row{what: "whole beat of " + l.name() + " / of the other build", unit: "ms",
			informs: true, samples: []sample{{s.total, b.total}}})
		at.table.add(row{what: "peak memory for " + l.name() + " / of the other build", unit: "MB",
			informs: true, samples: []sample{{s.peak / megabyte, b.peak / megabyte}}})
	}
	return s, nil
}

// addApply adds the rows that compare a client with COPY.
func (at *site) addApply(l load, s, floor stored) {
	jobs := len(l.rows.jobs)
	tiny := jobs < 1000 // what a beat costs at all would be most of it
	for _, r := range []row{
		{what: "apply of " + l.name() + " / COPY", unit: "ms", aim: 1.15, limit: 1.4, timed: true, informs: tiny,
			samples: []sample{{s.apply, floor.apply}}},
		{what: "decode + apply of " + l.name() + " / COPY", unit: "ms", aim: 1.3, limit: 1.6, timed: true, informs: jobs != 1000,
			samples: []sample{{s.decode + s.apply, floor.apply}}},
		{what: "the same answer again, " + l.name() + " / first time", unit: "ms", aim: 0.15, limit: 0.3, timed: true, informs: tiny,
			samples: []sample{{s.again, s.apply}}},
		{what: "rows that the same answer rewrites, " + l.name(), samples: []sample{{figure: s.rewritten}}},
		{what: "WAL of the same answer again, " + l.name() + " / COPY's", unit: "kB", aim: 0.02, limit: 0.05, informs: tiny,
			samples: []sample{{s.againWAL / 1000, floor.wal / 1000}}},
		{what: "WAL of " + l.name() + " / COPY's", unit: "kB", aim: 1.05, limit: 1.15, informs: tiny,
			samples: []sample{{s.wal / 1000, floor.wal / 1000}}},
		{what: "peak memory while storing " + l.name(), unit: "MB", aim: 40, limit: 64,
			samples: []sample{{figure: s.peak / megabyte}}},
		{what: "CPU of client and server for " + l.name() + " / COPY", unit: "ms", informs: true, timed: true,
			samples: []sample{{float64((s.client + s.server).Milliseconds()), float64((floor.client + floor.server).Milliseconds())}}},
	} {
		at.table.add(r)
	}
}

// addGrowth compares the time for a job in an answer with that in the next smaller one.
func (at *site) addGrowth(loads []load, all []stored) {
	for i := 1; i < len(loads); i++ {
		small, large := len(loads[i-1].rows.jobs), len(loads[i].rows.jobs)
		if small >= large || small < 1000 { // too small: what a beat costs at all would hide it
			continue
		}
		pair := fmt.Sprintf("per job at %s / at %s", thousands(large), thousands(small))
		per := func(total float64, jobs int) float64 { return 1000 * total / float64(jobs) }
		cpu := func(s stored, jobs int) float64 { return per(float64((s.client + s.server).Milliseconds()), jobs) }
		at.table.add(row{what: "time " + pair, unit: "µs", aim: 1, limit: 1.1, timed: true, informs: small < 10000,
			samples: []sample{{per(all[i].apply, large), per(all[i-1].apply, small)}}})
		at.table.add(row{what: "CPU of client and server " + pair, unit: "µs", timed: true, informs: true,
			samples: []sample{{cpu(all[i], large), cpu(all[i-1], small)}}})
	}
}

// copyFloor stores the rows of an answer by COPY, in one transaction.
func (at *site) copyFloor(ctx context.Context, l load) (s stored, err error) {
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	before, err := at.sample(ctx, db, usage.Self)
	if err != nil {
		return s, err
	}
	began := time.Now()
	if err := db.copyIn(ctx, l.rows); err != nil {
		return s, err
	}
	s.apply = since(began)
	after, err := at.sample(ctx, db, usage.Self)
	if err != nil {
		return s, err
	}
	s.wal, s.client, s.server = after.wal-before.wal, after.client-before.client, after.server-before.server
	s.digest, err = db.BenchDigest(ctx)
	return s, err
}

// copyIn copies rows into an empty database, in one transaction.
func (d *database) copyIn(ctx context.Context, r *rows) error {
	tx, err := d.Begin(ctx)
	if err != nil {
		return err
	}
	if err := r.copyTo(ctx, d.WithTx(tx)); err != nil {
		return err
	}
	if err := tx.Commit(ctx); err != nil {
		return fmt.Errorf("commit the copied rows: %w", err)
	}
	return nil
}

// counts are readings at one moment.
type counts struct {
	wal            float64
	client, server time.Duration
}

// sample reads what has been used so far; client reads that of whoever stores.
func (at *site) sample(ctx context.Context, db *database, client func() (usage.Usage, error)) (c counts, err error) {
	used, err := client()
	if err != nil {
		return c, err
	}
	c.client = used.CPU
	if c.server, err = usage.OfServer(at.server.PID()); err != nil {
		return c, err
	}
	wal, err := db.BenchLogBytes(ctx)
	c.wal = float64(wal)
	return c, err
}
