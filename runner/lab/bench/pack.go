package bench

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// finishedID is the id of the first job that waits for its upload.
	finishedID = 2_000_001

	// uploadJobs fill a packet, as shard-client has it by default.
	uploadJobs = 1000

	// backlogJobs is what an outage of the master left (docs/promises.md, "growing uploads").
	backlogJobs = 10_000
)

// pack measures what a beat costs that tells much: many known jobs, or many finished ones.
func (at *site) pack(ctx context.Context) error {
	return errors.Join(at.packOpen(ctx), at.packFinished(ctx))
}

// packOpen lets a client pack the ids of many open jobs, and copies the same ids out.
func (at *site) packOpen(ctx context.Context) (err error) {
	jobs := at.Jobs[len(at.Jobs)-1]
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	if err := errors.Join(makeRows(jobs).copyTo(ctx, db.Queries), db.BenchVacuum(ctx)); err != nil {
		return err
	}
	c, err := at.subject.run(at.stub.url, db.url)
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.exchange(ctx, at.stub, nothing); err != nil { // the first beat connects
		return err
	}
	for range oftener * at.Rounds {
		request, err := c.request(ctx, at.stub)
		if err != nil {
			return err
		}
		began := time.Now()
		if err := db.copyOut(ctx, "open_jobs"); err != nil {
			return err
		}
		floor := since(began)
		request.answer <- nothing
		f, err := c.beat(ctx)
		if err != nil {
			return err
		}
		if f.KnownJobs != jobs {
			return fmt.Errorf("the packet has %d known jobs, want %d", f.KnownJobs, jobs)
		}
		at.table.add(row{what: "pack of " + thousands(jobs) + " open jobs / COPY TO of their ids", unit: "ms", aim: 1.1, limit: 1.3,
			timed: true, informs: jobs < 50_000, samples: []sample{{f.PackedMS, floor}}})
	}
	return nil
}

// packFinished lets a client upload the same finished jobs again and again. Those of the floor are
// in a database of their own.
func (at *site) packFinished(ctx context.Context) (err error) {
	db, err := at.finished(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	other, err := at.finished(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, other.drop(ctx)) }()
	c, err := at.subject.run(at.stub.url, db.url)
	if err != nil {
		return err
	}
	defer c.stop()
	if _, err := c.exchange(ctx, at.stub, nothing); err != nil { // the first beat connects
		return err
	}
	for range oftener * at.Rounds {
		floor, err := other.uploadFloor(ctx)
		if err != nil {
			return err
		}
		f, err := at.uploadOnce(ctx, c, db)
		if err != nil {
			return err
		}
		at.table.add(row{what: "pack + acknowledge of 1,000 finished jobs / COPY TO of the rows + one UPDATE", unit: "ms",
			aim: 2, limit: 2.5, timed: true, samples: []sample{{f.PackedMS + f.AckMS, floor}}})
	}
	return nil
}

// finished makes a database with jobs that wait for their upload, a packet full of them.
func (at *site) finished(ctx context.Context) (*database, error) {
	template, err := at.known(ctx)
	if err != nil {
		return nil, err
	}
	db, err := at.fresh(ctx, template)
	if err != nil {
		return nil, err
	}
	return db, errors.Join(db.addFinished(ctx, uploadJobs), db.BenchVacuum(ctx))
}

// addFinished adds jobs that wait for their upload.
func (d *database) addFinished(ctx context.Context, jobs int64) error {
	last := finishedID + jobs - 1
	if err := errors.Join(d.BenchFinishedJobs(ctx, finishedID, last), d.BenchFinishedEntries(ctx, finishedID, last)); err != nil {
		return fmt.Errorf("add %d finished jobs: %w", jobs, err)
	}
	return nil
}

// prepareUpload lets the jobs wait for their upload again.
func (d *database) prepareUpload(ctx context.Context) error {
	return errors.Join(d.BenchUploadAgain(ctx, finishedID, finishedID+uploadJobs-1), d.BenchVacuum(ctx))
}

// uploadOnce prepares an upload while the client waits for an answer, and returns the beat in which
// it goes up.
func (at *site) uploadOnce(ctx context.Context, c *client, db *database) (figures, error) {
	request, err := c.request(ctx, at.stub)
	if err != nil {
		return figures{}, err
	}
	if err := db.prepareUpload(ctx); err != nil {
		return figures{}, err
	}
	request.answer <- nothing
	if _, err := c.beat(ctx); err != nil {
		return figures{}, err
	}
	f, err := c.exchange(ctx, at.stub, nothing)
	if err == nil && (f.UploadedJobs != uploadJobs || f.UploadedEntries != 2*uploadJobs) {
		err = fmt.Errorf("uploaded %d jobs and %d entries, want %d and %d", f.UploadedJobs, f.UploadedEntries, uploadJobs, 2*uploadJobs)
	}
	return f, err
}

// uploadFloor reads the rows of an upload and marks them as sent.
func (d *database) uploadFloor(ctx context.Context) (ms float64, err error) {
	if err := d.prepareUpload(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	if err := d.copyOut(ctx, "finished"); err != nil {
		return 0, err
	}
	err = d.BenchAcknowledge(ctx, finishedID, finishedID+uploadJobs-1)
	return since(began), err
}
