// Package simulation finds out how many shards a master can serve. It lets any number of clients
// beat to real master processes, and measures what that costs.
//
// It owns the load and the measurement. The clients are shard-client's own code, in this process,
// with a schema for each shard; one statement before each beat stands in for the shard's scheduler.
// Masters and their database are separate processes, which keeps their cost apart from that of the
// simulation.
package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/master/admin"
	"shardclient/runner/postgres"
	"shardclient/runner/process"
	"shardclient/schema"
)

// Simulation is one run.
type Simulation struct {
	Shards        int
	HostsPerShard int
	JobsPerShard  int           // open jobs; for each that finishes a new one is created
	Pause         time.Duration // between two beats of a shard
	Duration      time.Duration // of the measurement, after every shard has received its jobs
	Masters       int           // master processes, which share one database
	Finish        float64       // share of a shard's jobs that finish between two of its beats
	Protocol      string        // that the masters speak: "2015" or "2019"
	Lab           string        // path of the shard-lab program
	Out           io.Writer     // gets the progress and the table
	Logger        *slog.Logger  // for the private PostgreSQL servers
}

const (
	masterDatabase = "master"
	shardDatabase  = "shards"

	// patience is how long a master may take to end before it is killed.
	patience = 10 * time.Second

	// spareConnections come on top of those for shards and masters, for the simulation itself.
	spareConnections = 20

	// masterConnections is the pool of each master process.
	masterConnections = 8
)

// site is everything that takes part.
type site struct {
	*Simulation
	logs         string
	masterServer *postgres.Server // serves only the masters, so its cost is theirs
	shardServer  *postgres.Server
	masterDB     *pgxpool.Pool
	people       *admin.Admin
	masters      []*process.Program
	masterURLs   []string
	shards       []*simulatedShard
}

// Run simulates and prints the table. It fails when the sides do not agree in the end.
func (s *Simulation) Run(ctx context.Context) (err error) {
	at := &site{Simulation: s}
	defer func() { err = errors.Join(err, at.close()) }()
	if err := at.open(ctx); err != nil {
		return err
	}
	s.printf("%d shards, each with %d hosts and %d open jobs, a beat every %s; master processes: %d; protocol %s\n",
		s.Shards, s.HostsPerShard, s.JobsPerShard, s.Pause, s.Masters, s.Protocol)
	clients := at.start(ctx)
	defer clients.stop()
	if err := at.warm(ctx, clients); err != nil {
		return err
	}
	measured, err := at.measure(ctx, clients)
	if err != nil {
		return err
	}
	clients.quiet()
	report, err := at.converge(ctx)
	if err != nil {
		return err
	}
	measured.print(s.Out)
	s.printf("agreement: %d jobs, %d entries: %d agreed, %d lost, %d duplicated\n",
		report.Jobs, report.Entries, report.Agreed, report.Lost, report.Duplicated)
	if report.Agree() {
		return nil
	}
	first := "an entry ran on two shards"
	if len(report.Disagreements) > 0 {
		first = report.Disagreements[0].String()
	}
	return fmt.Errorf("simulate: the sides did not agree within %s after the last job had finished, first: %s",
		settle+3*s.Pause, first)
}

// printf prints to Out. When the output is gone, so are its readers.
func (s *Simulation) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.Out, format, args...) }

func (at *site) open(ctx context.Context) (err error) {
	if at.logs, err = os.MkdirTemp("", "shard-simulate-"); err != nil {
		return fmt.Errorf("simulate: make a directory for logs: %w", err)
	}
	if at.masterServer, err = at.postgres(ctx, masterConnections*at.Masters+spareConnections); err != nil {
		return err
	}
	if at.shardServer, err = at.postgres(ctx, 2*at.Shards+spareConnections); err != nil {
		return err
	}
	if err := at.masterServer.CreateDatabase(ctx, masterDatabase, "template1"); err != nil {
		return err
	}
	url := at.masterServer.URL(masterDatabase)
	if _, err := schema.Up(ctx, url); err != nil {
		return err
	}
	if at.masterDB, err = pgxpool.New(ctx, url); err != nil {
		return err
	}
	if at.people, err = admin.New(at.masterDB); err != nil {
		return err
	}
	if err := at.populate(ctx); err != nil {
		return err
	}
	for i := range at.Masters {
		if err := at.startMaster(i, url); err != nil {
			return err
		}
	}
	return at.openShards(ctx)
}

// postgres starts a server whose data is not synced to disk: the measurement is about the work, not
// about this machine's disk.
func (at *site) postgres(ctx context.Context, connections int) (*postgres.Server, error) {
	return postgres.Start(ctx, postgres.Options{Logger: at.Logger, Settings: map[string]string{
		"max_connections": strconv.Itoa(connections), "shared_buffers": "512MB",
	}})
}

func (at *site) startMaster(number int, url string) error {
	p := &process.Program{Name: fmt.Sprintf("master %d", number+1), LogDir: at.logs, Command: func() *exec.Cmd {
		cmd := exec.Command(at.Lab, "master", "--listen", "127.0.0.1:0", "--protocol", at.Protocol,
			"--max-connections", strconv.Itoa(masterConnections), "--log-level", "warn")
		cmd.Env = append(process.Environment(os.Environ()), "SHARD_LAB_DATABASE_URL="+url)
		return cmd
	}}
	at.masters = append(at.masters, p)
	address, err := p.Greeting()
	at.masterURLs = append(at.masterURLs, address)
	return err
}

func (at *site) close() error {
	for _, one := range at.shards {
		one.pool.Close()
	}
	for _, p := range slices.Backward(at.masters) {
		p.Stop(patience)
	}
	if at.masterDB != nil {
		at.masterDB.Close()
	}
	var err error
	for _, server := range []*postgres.Server{at.shardServer, at.masterServer} {
		if server != nil {
			err = errors.Join(err, server.Stop())
		}
	}
	return errors.Join(err, os.RemoveAll(at.logs))
}
