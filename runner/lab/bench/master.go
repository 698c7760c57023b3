package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"time"

	"shardclient/runner/process"
)

const (
	// masterJobs is what the reference master sends, and what it is sent.
	masterJobs = 1000

	// answerSize is more than the answer with them has, in bytes.
	answerSize = 4 << 20

	firstHeartbeat = `{"params": [{"jobs": [], "shard_hostname": "` + shardHostname + `", "hqes": [], "known_host_statuses": [], ` +
		`"known_host_ids": [], "known_job_ids": []}], "method": "shard_heartbeat", "id": "jsonrpc"}`
)

// master measures the reference master: what it takes to send a shard all that it has, and to store
// what a shard has finished.
func (at *site) master(ctx context.Context) (err error) {
	upload, err := at.upload(ctx)
	if err != nil {
		return err
	}
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	err = errors.Join(makeRows(masterJobs).copyTo(ctx, db.Queries), db.BenchShardLabel(ctx, shardID, boardLabel))
	if err != nil {
		return err
	}
	logs, err := os.MkdirTemp("", "shard-bench-")
	if err != nil {
		return fmt.Errorf("make a directory for logs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(logs)) }()
	served := &process.Program{Name: "master", LogDir: logs, Command: func() *exec.Cmd {
		cmd := exec.Command(at.Lab, "master", "--listen", "127.0.0.1:0", "--log-level", "warn")
		cmd.Env = append(process.Environment(os.Environ()), "SHARD_LAB_DATABASE_URL="+db.url)
		return cmd
	}}
	url, err := served.Greeting()
	if err != nil {
		return err
	}
	defer served.Stop(stopPatience)
	for round := range 1 + oftener*at.Rounds {
		rows, err := masterRound(ctx, db, url, upload)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if round > 0 { // in the first one the master connects
				at.table.add(r)
			}
		}
	}
	return nil
}

// upload returns the packet in which a client sends all jobs as finished.
func (at *site) upload(ctx context.Context) (body []byte, err error) {
	db, err := at.fresh(ctx, at.subject.template)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	r := makeRows(masterJobs)
	for i := range r.jobs {
		r.jobs[i].ShardID = nil
	}
	for i := range r.entries {
		r.entries[i].Complete, r.entries[i].Status = true, "Completed"
	}
	if err := errors.Join(r.copyTo(ctx, db.Queries), db.BenchVacuum(ctx)); err != nil {
		return nil, err
	}
	c, err := at.subject.run(at.stub.url, db.url)
	if err != nil {
		return nil, err
	}
	defer c.stop()
	request, err := c.request(ctx, at.stub)
	return request.body, err
}

func masterRound(ctx context.Context, db *database, url string, upload []byte) ([]row, error) {
	if err := db.unassign(ctx); err != nil {
		return nil, err
	}
	sending, err := db.sendFloor(ctx)
	if err != nil {
		return nil, err
	}
	if err := db.unassign(ctx); err != nil {
		return nil, err
	}
	answer, size, err := post(ctx, url, []byte(firstHeartbeat))
	if err != nil {
		return nil, err
	}
	if size < 1_000_000 {
		return nil, fmt.Errorf("the reference master has sent %d bytes, which are not %d jobs", size, masterJobs)
	}
	if err := errors.Join(db.BenchAssignJobs(ctx), db.BenchVacuum(ctx)); err != nil {
		return nil, err
	}
	storing, err := db.storeFloor(ctx)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(db.BenchAssignJobs(ctx), db.BenchReopenEntries(ctx), db.BenchVacuum(ctx)); err != nil {
		return nil, err
	}
	stored, _, err := post(ctx, url, upload)
	if err != nil {
		return nil, err
	}
	rows := []row{
		{what: "reference master: first answer of 100 hosts and 1,000 jobs / COPY TO and one UPDATE", samples: []sample{{answer, sending}}},
		{what: "reference master: 1,000 finished jobs stored / two UPDATEs", samples: []sample{{stored, storing}}},
	}
	for i := range rows {
		rows[i].unit, rows[i].aim, rows[i].limit, rows[i].timed = "ms", 1.5, 2.5, true
	}
	return rows, nil
}

// unassign takes all hosts and jobs from the shard.
func (d *database) unassign(ctx context.Context) error {
	return errors.Join(d.BenchUnassignHosts(ctx), d.BenchUnassignJobs(ctx), d.BenchReopenEntries(ctx), d.BenchVacuum(ctx))
}

// sendFloor reads what is sent, and gives it to the shard without looking at it.
func (d *database) sendFloor(ctx context.Context) (ms float64, err error) {
	began := time.Now()
	if err := d.copyOut(ctx, "answer"); err != nil {
		return 0, err
	}
	if err := d.BenchAssign(ctx); err != nil {
		return 0, fmt.Errorf("give hosts and jobs to the shard by one update: %w", err)
	}
	return since(began), nil
}

// storeFloor stores an upload without looking at it.
func (d *database) storeFloor(ctx context.Context) (ms float64, err error) {
	began := time.Now()
	tx, err := d.Begin(ctx)
	if err != nil {
		return 0, err
	}
	q := d.WithTx(tx)
	if err := errors.Join(q.BenchStoreJobs(ctx), q.BenchStoreEntries(ctx), tx.Commit(ctx)); err != nil {
		return 0, fmt.Errorf("store an upload by two updates: %w", err)
	}
	return since(began), nil
}

// post sends a packet, and returns how long the answer took and its size.
func post(ctx context.Context, url string, packet []byte) (ms float64, size int, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/afe/server/noauth/rpc/?method=shard_heartbeat", bytes.NewReader(packet))
	if err != nil {
		return 0, 0, err
	}
	request.Header.Set("Authorization", "chromeos-test")
	// io.ReadAll would copy an answer of 1.5 MB several times, in the time of the master.
	body := bytes.NewBuffer(make([]byte, 0, answerSize))
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, 0, fmt.Errorf("send a packet to the reference master: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // it was only read
	_, err = body.ReadFrom(response.Body)
	ms = since(began)
	if err == nil && !bytes.HasPrefix(body.Bytes(), []byte(`{"error": null`)) {
		err = fmt.Errorf("the reference master answers %s: %.300s", response.Status, body)
	}
	return ms, body.Len(), err
}
