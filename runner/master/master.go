// Package master is the reference master. It serves shard_heartbeat as an Autotest AFE of 2015 or
// 2019 does, from a database with the project's own schema.
//
// It owns the master's half of the protocol: the envelope, the checks of uploads, and the choice of
// the shard for each host and job. It must not be linked into shard-client.
//
// # Use
//
// [Connect] opens the database and [New] returns the HTTP handler. Any number of masters may share
// one database. Package admin edits the same database.
//
// # A heartbeat
//
// A heartbeat first reads in one snapshot which hosts and jobs may be sent. Then it stores, assigns
// and answers in one transaction, and takes nothing that has changed in between.
package master

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/page"
)

// Path is the path at which an AFE serves its calls.
const Path = "/afe/server/noauth/rpc/"

// contentType is the content type of all answers of an AFE, even of JSON.
const contentType = "text/html; charset=utf-8"

// defaultMaxRequestBytes is enough for about ten thousand finished jobs.
const defaultMaxRequestBytes = 64 << 20

// maxAnnounced is what is made room for before a byte of it has come.
const maxAnnounced = 4 << 20

// Options of a master.
type Options struct {
	Protocol        afe.Protocol     // 2015 or 2019
	NocaseNames     bool             // names compare as in MariaDB: neither case nor trailing spaces count
	MaxRequestBytes int64            // a longer body is answered with 413; 0 means 64 MiB
	Log             *slog.Logger     // nil means that nothing is logged
	Now             func() time.Time // nil means time.Now
	Stats           *Stats           // shown at StatsPath; nil means that nothing is counted or shown
}

type master struct {
	pool  *pgxpool.Pool
	o     Options
	twins *twins
	seen  *sightings
}

// New returns a handler that serves heartbeats from a migrated database. It fails when an option
// makes no sense or pool is nil.
func New(pool *pgxpool.Pool, o Options) (http.Handler, error) {
	switch {
	case pool == nil:
		return nil, errors.New("reference master: pool is nil: want the pool of its database")
	case o.MaxRequestBytes < 0:
		return nil, fmt.Errorf("reference master: Options.MaxRequestBytes is %d: want 0 or more", o.MaxRequestBytes)
	}
	if o.Protocol != afe.Protocol2015 && o.Protocol != afe.Protocol2019 {
		return nil, fmt.Errorf("reference master: Options.Protocol is %q: want %s or %s",
			o.Protocol, afe.Protocol2015, afe.Protocol2019)
	}
	if o.MaxRequestBytes == 0 {
		o.MaxRequestBytes = defaultMaxRequestBytes
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	// Path ends in a slash, so the mux redirects the path without it, as the AFE does.
	mux := http.NewServeMux()
	m := &master{pool: pool, o: o, twins: newTwins(o), seen: newSightings(o.Now)}
	mux.Handle(Path, m)
	mux.Handle("GET /{$}", page.Handler((&board{pool: pool, seen: m.seen}).document, o.Now))
	if o.Stats != nil {
		mux.HandleFunc("GET "+StatsPath, m.serveStats)
	}
	return mux, nil
}

func (m *master) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != Path {
		http.NotFound(w, r)
		return
	}
	began := time.Now()
	body, err := m.readBody(w, r)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		return
	case err != nil:
		return // the caller is gone
	}
	packet := newPacket(body)
	request, failure := parseRequest(packet)
	if failure != nil {
		m.o.Log.Warn("request unreadable", "error", failure.Error())
		writePage(w, failure)
		return
	}
	result, err := m.call(r, request, began)
	if err != nil {
		failure := asFault(err)
		m.o.Log.Warn("call failed", "method", request.method, "name", failure.name, "error", err.Error())
		writeEnvelope(w, nil, failure, request.id)
		return
	}
	writeEnvelope(w, result, nil, request.id)
}

// readBody makes room for what is announced, unless that is more than anybody should be believed.
func (m *master) readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body := &bytes.Buffer{}
	body.Grow(int(min(max(r.ContentLength, 0), maxAnnounced)) + bytes.MinRead)
	_, err := body.ReadFrom(http.MaxBytesReader(w, r.Body, m.o.MaxRequestBytes))
	return body.Bytes(), err
}

func (m *master) call(r *http.Request, request *request, began time.Time) ([]byte, error) {
	switch request.method {
	case "shard_heartbeat":
	case "get_shards":
		return m.shards(r.Context(), request.params)
	case "get_server_time":
		return json.Marshal(m.o.Now().Format("2006-01-02 15:04")) // in its own zone, as the original
	default:
		return nil, &fault{name: "ServiceMethodNotFound", message: request.method}
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	given, err := m.shardHeartbeat(r.Context(), request.params, caller{login(r), address}, began)
	if m.o.Stats != nil {
		m.o.Stats.heartbeat(err)
	}
	return given, err
}

// login is the name of the user who calls.
func login(r *http.Request) string { return cmp.Or(r.Header.Get("Authorization"), "debug_user") }

// caller is whoever calls, as the request shows it.
type caller struct{ login, address string }

func (m *master) shardHeartbeat(ctx context.Context, params []any, by caller, began time.Time) ([]byte, error) {
	args, err := parseArguments(params, m.o.Protocol)
	if err != nil {
		return nil, err
	}
	args.user, args.address = by.login, by.address
	given, err := m.heartbeat(ctx, args)
	name := fmt.Sprint(args.shard)
	if given != nil {
		name = given.shard
	}
	m.seen.note(name, args, given, err, time.Since(began))
	if err != nil {
		return nil, fmt.Errorf("shard %s: %w", repr(args.shard), err)
	}
	m.o.Log.Info("heartbeat", "shard", given.shard,
		"known_hosts", len(args.knownHostIDs), "known_jobs", len(args.knownJobIDs),
		"uploaded_jobs", len(args.jobs), "uploaded_entries", len(args.entries),
		"sent_hosts", given.hosts, "sent_jobs", given.jobs, "incorrect_hosts", given.incorrect,
		"took_ms", milliseconds(time.Since(began)))
	return given.result, nil
}
