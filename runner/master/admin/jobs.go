package admin

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"

	"shardclient/gen/masterdb"
)

// ParentKeyval is the keyval by which a suite's job names its parent: the column parent_job_id is
// not sent to shards.
const ParentKeyval = "parent_job_id"

// defaultPriority is the default in Autotest, between those of post-build and build suites.
const defaultPriority = 40

// Default time-outs in minutes, those of Autotest without a configuration.
const (
	DefaultTimeoutMins    = 24 * 60
	DefaultMaxRuntimeMins = 72 * 60
)

const minutesPerHour = 60

// Control types.
const (
	serverControl = 1
	clientControl = 2
)

// statusQueued is the first status of an entry.
const statusQueued = "Queued"

// NewJob is a job to create. It has an entry for each of MetaHosts and Hosts, or one entry without
// a host if it is hostless.
type NewJob struct {
	Name       string
	Owner      string // a login; the user is made if missing
	Priority   int    // 0 means 40
	SynchCount int    // how many entries start together; 0 means 1, each by itself
	// Minutes from its creation to its time-out, and from its start; 0 means [DefaultTimeoutMins]
	// and [DefaultMaxRuntimeMins].
	TimeoutMins, MaxRuntimeMins int
	ControlFile                 string   // empty means none
	ClientSide                  bool     // the control file runs on the host, so the job cannot be hostless
	Dependencies                []string // labels that a host must have; they decide which shard gets the job
	MetaHosts                   []string // for each of these labels the shard finds a host; a label may be repeated
	Hosts                       []string // hostnames
	Hostless                    bool     // such a job never goes to a shard
	Keyvals                     map[string]string
	ParentID                    int64 // the job that this one belongs to, which adds ParentKeyval; 0 means none
}

// NewSuite is a suite to create: a hostless parent and its jobs.
type NewSuite struct {
	Parent   NewJob   // Hostless is implied. Its keyvals are sent to shards with every job of the suite
	Children []NewJob // ParentID is implied
}

// CreatedSuite holds the ids of a suite's jobs, with the children in the given order.
type CreatedSuite struct {
	ParentID int64   `json:"parent_id"`
	ChildIDs []int64 `json:"child_ids"`
}

// CreateJobs creates jobs, all or none, and returns their ids in the order of the jobs.
func (a *Admin) CreateJobs(ctx context.Context, jobs ...NewJob) ([]int64, error) {
	return write(ctx, a, "create jobs", func(q *masterdb.Queries) ([]int64, error) {
		return createJobs(ctx, q, jobs)
	})
}

// CreateSuite creates a suite, all or none.
func (a *Admin) CreateSuite(ctx context.Context, suite NewSuite) (CreatedSuite, error) {
	return write(ctx, a, "create suite", func(q *masterdb.Queries) (CreatedSuite, error) {
		parent := suite.Parent
		parent.Hostless = true
		parentID, err := createJobs(ctx, q, []NewJob{parent})
		if err != nil {
			return CreatedSuite{}, err
		}
		children := make([]NewJob, len(suite.Children))
		for i, child := range suite.Children {
			child.ParentID = parentID[0]
			children[i] = child
		}
		if len(children) == 0 {
			return CreatedSuite{ParentID: parentID[0], ChildIDs: []int64{}}, nil
		}
		childIDs, err := createJobs(ctx, q, children)
		return CreatedSuite{ParentID: parentID[0], ChildIDs: childIDs}, err
	})
}

func createJobs(ctx context.Context, q *masterdb.Queries, jobs []NewJob) ([]int64, error) {
	if len(jobs) == 0 {
		return nil, &InvalidError{Kind: "job", Cause: "none is given"}
	}
	for _, job := range jobs {
		if err := job.check(); err != nil {
			return nil, &InvalidError{Kind: "job", Name: job.Name, Cause: err.Error()}
		}
	}
	named, err := findNamed(ctx, q, jobs)
	if err != nil {
		return nil, err
	}
	ids, err := q.AdminJobIDs(ctx, int64(len(jobs)))
	if err != nil {
		return nil, fmt.Errorf("take ids: %w", err)
	}
	rows := &jobRows{named: named, at: now()}
	for i := range jobs {
		if err := named.checkShard(&jobs[i]); err != nil {
			return nil, err
		}
		rows.add(ids[i], &jobs[i])
	}
	return ids, rows.store(ctx, q)
}

// check finds mistakes in a job that show without looking at the database.
func (j *NewJob) check() error {
	entries := len(j.Hosts) + len(j.MetaHosts)
	switch {
	case j.Name == "":
		return errors.New("it needs a name")
	case j.Owner == "":
		return errors.New("it needs an owner")
	case j.Priority < 0 || j.Priority > math.MaxInt32:
		return errors.New("its priority is out of range")
	case j.TimeoutMins < 0 || j.TimeoutMins > math.MaxInt32 || j.MaxRuntimeMins < 0 || j.MaxRuntimeMins > math.MaxInt32:
		return errors.New("its time-out or its longest runtime is out of range")
	case j.Hostless && entries > 0:
		return errors.New("it is hostless, and names hosts or meta hosts")
	case j.Hostless && j.ClientSide:
		return errors.New("it is hostless, so there is no host on which its control file could run")
	case !j.Hostless && entries == 0:
		return errors.New("it needs a host or a meta host, or to be hostless")
	case j.SynchCount < 0 || j.SynchCount > max(entries, 1):
		return fmt.Errorf("its synch count is %d, and it has %d entries", j.SynchCount, max(entries, 1))
	}
	if twice := firstTwice(j.Hosts); twice != "" {
		return fmt.Errorf("host %s is named twice", twice)
	}
	return nil
}

func firstTwice(names []string) string {
	seen := map[string]bool{}
	for _, name := range names {
		if seen[name] {
			return name
		}
		seen[name] = true
	}
	return ""
}

// named holds the objects that jobs refer to by name.
type named struct {
	labels map[string]masterdb.AdminLabelsNamedRow
	hosts  map[string]masterdb.AdminHostsForJobsRow
}

// findNamed finds the labels and hosts of jobs, and makes missing owners. The labels and hosts
// cannot be removed until the transaction ends.
func findNamed(ctx context.Context, q *masterdb.Queries, jobs []NewJob) (*named, error) {
	owners, labels, hosts := map[string]bool{}, map[string]bool{}, map[string]bool{}
	parents := map[string]int64{}
	for i := range jobs {
		owners[jobs[i].Owner] = true
		for _, name := range jobs[i].Dependencies {
			labels[name] = true
		}
		for _, name := range jobs[i].MetaHosts {
			labels[name] = true
		}
		for _, name := range jobs[i].Hosts {
			hosts[name] = true
		}
		if id := jobs[i].ParentID; id != 0 {
			parents[strconv.FormatInt(id, 10)] = id
		}
	}
	if _, _, err := ensureUsers(ctx, q, sortedKeys(owners)); err != nil {
		return nil, err
	}
	n := &named{}
	var err error
	if n.labels, err = findLabels(ctx, q, sortedKeys(labels)); err != nil {
		return nil, err
	}
	if err := findParents(ctx, q, parents); err != nil {
		return nil, err
	}
	n.hosts, err = findHosts(ctx, q, sortedKeys(hosts))
	return n, err
}

func findParents(ctx context.Context, q *masterdb.Queries, parents map[string]int64) error {
	if len(parents) == 0 {
		return nil
	}
	var ids []int64
	for _, key := range sortedKeys(parents) {
		ids = append(ids, parents[key])
	}
	found, err := q.AdminJobsWithID(ctx, ids)
	if err != nil {
		return fmt.Errorf("find parents: %w", err)
	}
	return missingIDs(ids, found)
}

func findHosts(
	ctx context.Context, q *masterdb.Queries, names []string,
) (map[string]masterdb.AdminHostsForJobsRow, error) {
	found := map[string]masterdb.AdminHostsForJobsRow{}
	if len(names) == 0 {
		return found, nil
	}
	rows, err := q.AdminHostsForJobs(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("read hosts: %w", err)
	}
	for _, row := range rows {
		found[row.Hostname] = row
	}
	return found, missing("host", names, found)
}

// checkShard returns a [*TornError] for a job that would belong to two shards.
func (n *named) checkShard(job *NewJob) error {
	shards := map[string]bool{}
	for _, label := range job.Dependencies {
		shards[n.labels[label].Shard] = true
	}
	for _, label := range job.MetaHosts {
		shards[n.labels[label].Shard] = true
	}
	for _, host := range job.Hosts {
		shards[n.hosts[host].Shard] = true
	}
	delete(shards, "")
	if len(shards) < 2 {
		return nil
	}
	names := sortedKeys(shards)
	return &TornError{Kind: "job", Name: job.Name, Shards: [2]string{names[0], names[1]}}
}
