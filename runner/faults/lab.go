package faults

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/lab/converge"
	"shardclient/runner/lab/scheduler"
	"shardclient/runner/master"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/shard"
)

// Login is the user name of the lab's clients. The master lets this user change every host.
const Login = "chromeos-test"

// Options of a [Lab]. The zero value gives one shard with four hosts, on the server of pgtest.
type Options struct {
	Shards        int          // 0 means 1
	HostsPerShard int          // 0 means 4
	Protocol      afe.Protocol // "" means 2019
	Server        *Server      // where the shards' databases are; nil means pgtest's server
	DatabaseURL   string       // of the only shard's database; "" means a new one
	FailShare     float64      // the share of entries that fail, from 0 to 1
	Seed          uint64       // decides how the schedulers draw
}

// Lab is a reference master behind a real HTTP server, and shards with a scheduler each. Nothing
// runs by itself: the test decides when a scheduler takes a turn and when a client beats.
type Lab struct {
	t        testing.TB
	protocol afe.Protocol
	Master   *pgxpool.Pool // the master's database
	People   *admin.Admin
	Shards   []*Shard

	server *httptest.Server
	// between is the test's fault between the clients and the master.
	between atomic.Pointer[func(master http.Handler) http.Handler]
}

// Shard is one shard of a Lab.
type Shard struct {
	Hostname    string
	Board       string // the label that its jobs require
	DatabaseURL string
	DB          *pgxpool.Pool // for the test to look into the database
	Scheduler   *scheduler.Scheduler
}

// NewLab builds a lab that ends with the test.
func NewLab(t testing.TB, o Options) *Lab {
	t.Helper()
	l := &Lab{t: t, protocol: o.Protocol, Master: pgtest.Pool(t)}
	if l.protocol == "" {
		l.protocol = afe.Protocol2019
	}
	l.People = people(t, l.Master)
	l.must(l.People.AddUsers(t.Context(), admin.NewUser{Login: Login, Superuser: true}))
	l.serve()
	for i := range max(o.Shards, 1) {
		l.addShard(o, i+1)
	}
	return l
}

// serve opens the master.
func (l *Lab) serve() {
	l.t.Helper()
	handler, err := master.New(l.Master, master.Options{Protocol: l.protocol})
	if err != nil {
		l.t.Fatal(err)
	}
	l.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		serve := handler
		if between := l.between.Load(); between != nil {
			serve = (*between)(handler)
		}
		serve.ServeHTTP(w, r)
	}))
	l.t.Cleanup(l.server.Close)
}

func (l *Lab) addShard(o Options, number int) {
	l.t.Helper()
	s := &Shard{Hostname: fmt.Sprintf("shard%d.example", number), Board: fmt.Sprintf("board:b%d", number)}
	switch {
	case o.DatabaseURL != "":
		s.DatabaseURL = o.DatabaseURL
	case o.Server != nil:
		s.DatabaseURL = o.Server.Database(l.t)
	default:
		s.DatabaseURL = pgtest.Database(l.t)
	}
	s.DB = pool(l.t, s.DatabaseURL)
	// The scheduler may use the machine's clock: the length of its phases is counted in turns.
	s.Scheduler = begin(l.t, s.DB, scheduler.Options{Seed: o.Seed + uint64(number), FailShare: o.FailShare})
	l.must(l.People.AddLabels(l.t.Context(), admin.NewLabel{Name: s.Board}))
	l.must(l.People.AddShard(l.t.Context(), s.Hostname, s.Board))
	hosts := o.HostsPerShard
	if hosts == 0 {
		hosts = 4
	}
	for n := range hosts {
		l.must(l.People.AddHosts(l.t.Context(), admin.NewHost{
			Hostname:   fmt.Sprintf("shard%d-host%d", number, n+1),
			Labels:     []string{s.Board},
			Attributes: map[string]string{"rack": "7"},
		}))
	}
	l.Shards = append(l.Shards, s)
}

func (l *Lab) must(_ any, err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// URL returns the address of the master.
func (l *Lab) URL() string { return l.server.URL }

// Between puts a fault between the clients and the master. With nil it takes the fault away.
func (l *Lab) Between(fault func(master http.Handler) http.Handler) {
	if fault == nil {
		l.between.Store(nil)
		return
	}
	l.between.Store(&fault)
}

// CreateJobs creates jobs with one entry each for a shard, and returns their ids.
func (l *Lab) CreateJobs(s *Shard, count int) []int64 {
	l.t.Helper()
	jobs := make([]admin.NewJob, count)
	for i := range jobs {
		jobs[i] = admin.NewJob{
			Name:         "job",
			Owner:        "alice",
			MetaHosts:    []string{s.Board},
			Dependencies: []string{s.Board},
			Keyvals:      map[string]string{"build": "R75"},
		}
	}
	ids, err := l.People.CreateJobs(l.t.Context(), jobs...)
	if err != nil {
		l.t.Fatal(err)
	}
	return ids
}

// Work lets a shard's scheduler take turns until no entry is open and no host is leased. It waits
// for the hosts too because lucifer asks for the upload of a job only when it releases the host,
// after the entry is complete.
func (l *Lab) Work(s *Shard) {
	l.t.Helper()
	for range 1000 {
		work, err := s.Scheduler.Turn(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		if work.Open+work.Busy == 0 {
			return
		}
	}
	l.t.Fatalf("the scheduler of %s does not come to an end", s.Hostname)
}

// Wire returns the real HTTP client for the master at an address, which may be that of a proxy.
func (l *Lab) Wire(address string) *afe.Client {
	l.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		l.t.Fatal(err)
	}
	wire, err := afe.NewClient(afe.Options{
		Master:           u,
		User:             Login,
		Protocol:         l.protocol,
		Timeout:          10 * time.Minute,
		MaxResponseBytes: 64 << 20,
		UserAgent:        "test",
	})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(wire.Close)
	return wire
}

// ClientOptions returns options for a client of a shard that runs inside the test.
func (l *Lab) ClientOptions(s *Shard) shard.Options {
	return shard.Options{
		ShardHostname:  s.Hostname,
		Who:            "test",
		RPCTimeout:     10 * time.Minute,
		StopTimeout:    10 * time.Minute,
		LockTimeout:    10 * time.Minute,
		MaxUploadJobs:  1000,
		MaxUploadBytes: 16 << 20,
		ApplyChunk:     500,
		HistoryKeep:    1000,
		QuarantineKeep: 1000,
	}
}

// Compare compares all shards with the master, as they are at the moment.
func (l *Lab) Compare() *converge.Report {
	l.t.Helper()
	var shards []converge.Shard
	for _, s := range l.Shards {
		shards = append(shards, converge.Shard{Hostname: s.Hostname, DB: s.DB})
	}
	report, err := converge.Check(l.t.Context(), l.Master, shards, l.protocol)
	if err != nil {
		l.t.Fatal(err)
	}
	return report
}

// Agree fails the test unless both sides agree, with that many complete entries, none lost and none
// run twice. It is for the end of a test, when faults, schedulers and clients have stopped.
func (l *Lab) Agree(complete int) {
	l.t.Helper()
	report := l.Compare()
	if !report.Agree() || report.Lost != 0 || report.Duplicated != 0 || report.Complete != complete {
		l.t.Errorf("want %d complete entries, none lost, none run twice: %+v", complete, report)
	}
}

// ForgetUnsure moves the start of all waiting for unanswered uploads back by a day. The clients
// then take a request that they gave up for dead, as they would after the waiting time.
func (l *Lab) ForgetUnsure() {
	l.t.Helper()
	const dayEarlier = `WITH packets AS (UPDATE shard_client_packets SET unsure_since = unsure_since - interval '1 day')
		UPDATE shard_client_uploads SET unsure_since = unsure_since - interval '1 day'`
	for _, s := range l.Shards {
		if _, err := s.DB.Exec(l.t.Context(), dayEarlier); err != nil {
			l.t.Fatal(err)
		}
	}
}
