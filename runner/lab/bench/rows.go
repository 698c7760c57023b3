package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"shardclient/gen/labdb"
)

// What the recorded large answer of 2019 holds, and each one that is made up after it. There the
// answer has 100 hosts and 1,000 jobs, which are 7,171 rows.
const (
	hosts   = 100
	shardID = 1
	suiteID = 1 // the suite's job, which a shard does not have
	build   = "eve-release/R74-11895.0.0"
	suite   = "bvt-inline"

	boardLabel, poolLabel, platformLabel, versionLabel = 1, 2, 3, 4
)

// rows are what an answer leaves in an empty database, table by table.
type rows struct {
	shards          []labdb.BenchShardsParams
	labels          []labdb.BenchLabelsParams
	users           []labdb.BenchUsersParams
	aclGroups       []labdb.BenchACLGroupsParams
	aclGroupUsers   []labdb.BenchACLGroupUsersParams
	hosts           []labdb.BenchHostsParams
	aclGroupHosts   []labdb.BenchACLGroupHostsParams
	hostLabels      []labdb.BenchHostLabelsParams
	attributes      []labdb.BenchHostAttributesParams
	jobs            []labdb.BenchJobsParams
	dependencies    []labdb.BenchDependencyLabelsParams
	keyvals         []labdb.BenchKeyvalsParams
	entries         []labdb.BenchEntriesParams
	entriesOf, deps [][2]int // of each job: where its entries and dependencies begin and end
}

// makeRows makes up an answer with so many jobs. The same number gives the same rows every time,
// and 1,000 gives those of the recording.
func makeRows(jobs int) *rows {
	r := &rows{
		shards: []labdb.BenchShardsParams{{ID: shardID, Hostname: shardHostname}},
		labels: []labdb.BenchLabelsParams{
			{ID: boardLabel, Name: "board:eve"},
			{ID: poolLabel, Name: "pool:suites"},
			{ID: platformLabel, Name: "eve", KernelConfig: "http://127.0.0.1/kernel.cfg", Platform: true},
			{ID: versionLabel, Name: "cros-version:" + build, OnlyIfNeeded: true},
		},
		users: []labdb.BenchUsersParams{
			{ID: 1, Login: "autotest_system", AccessLevel: 100, RebootBefore: 1},
			{ID: 2, Login: "chromeos-test", AccessLevel: 100, RebootBefore: 1},
			{ID: 3, Login: "alice", RebootBefore: 1},
			{ID: 4, Login: "bob", AccessLevel: 1, RebootBefore: 1, ShowExperimental: true},
		},
		aclGroups: []labdb.BenchACLGroupsParams{
			{ID: 1, Name: "Everyone"}, {ID: 2, Name: "peer_acl", Description: "peer group"},
		},
		keyvals: []labdb.BenchKeyvalsParams{
			{JobID: suiteID, Key: "suite", Value: suite},
			{JobID: suiteID, Key: "build", Value: build},
			{JobID: suiteID, Key: "test_source_build", Value: "x"},
		},
	}
	for group, members := range [][]int64{{1, 2, 3, 4}, {1, 3, 4}} {
		for _, user := range members {
			r.aclGroupUsers = append(r.aclGroupUsers, labdb.BenchACLGroupUsersParams{AclgroupID: int64(group + 1), UserID: user})
		}
	}
	for i := range hosts {
		r.addHost(i)
	}
	for i := range jobs {
		r.addJob(i)
	}
	return r
}

func (r *rows) addHost(i int) {
	id := int64(i + 1)
	host := labdb.BenchHostsParams{
		ID: id, Hostname: fmt.Sprintf("chromeos1-row1-host%d", id), Status: "Ready",
		Protection: int32(i % 3), LockReason: new(""), ShardID: new(int64(shardID)),
	}
	if i == 0 {
		host.Locked, host.LockReason = true, new(`broken "screen" \ <fan>`)
		host.LockTime = at(time.Date(2019, 3, 14, 9, 26, 53, 589e6, time.UTC))
	}
	r.hosts = append(r.hosts, host)
	r.aclGroupHosts = append(r.aclGroupHosts, labdb.BenchACLGroupHostsParams{AclgroupID: int64(i%2 + 1), HostID: id})
	for _, label := range labelsOfHost(i) {
		r.hostLabels = append(r.hostLabels, labdb.BenchHostLabelsParams{HostID: id, LabelID: label})
	}
	r.attributes = append(r.attributes,
		labdb.BenchHostAttributesParams{HostID: id, Attribute: "servo_host", Value: fmt.Sprintf("servo-host%d", id)},
		labdb.BenchHostAttributesParams{HostID: id, Attribute: "serials", Value: fmt.Sprintf("SN%06d", id)})
}

func labelsOfHost(i int) []int64 {
	if i%2 == 0 {
		return []int64{boardLabel, poolLabel, platformLabel}
	}
	return []int64{boardLabel, platformLabel}
}

func (r *rows) addJob(i int) {
	id := int64(i + 2)
	created := time.Date(2019, 3, 15, 10, 20, 31, 0, time.UTC).Add(time.Duration(i) * time.Second)
	if i%3 == 0 {
		created = created.Add(123 * time.Millisecond)
	}
	job := labdb.BenchJobsParams{
		ID: id, Owner: "alice", Name: fmt.Sprintf("%s/%s/dummy_Pass.%d", build, suite, i), Priority: 20,
		ControlFile: new(fmt.Sprintf("NAME = \"dummy_%d\"\njob.run_test(\"dummy_Pass\")\n", i)), ControlType: 2,
		CreatedOn: at(created), SynchCount: 1, Timeout: 24, RebootBefore: 1, RebootAfter: 2,
		ParseFailedRepair: true, MaxRuntimeHrs: 72, MaxRuntimeMins: 60, TestRetry: int32(i % 3), TimeoutMins: 1440,
		ShardID: new(int64(shardID)), RequireSsp: []*bool{nil, new(true), new(false)}[i%3],
	}
	entry := labdb.BenchEntriesParams{JobID: id, Status: "Queued", MetaHost: new(int64(boardLabel))}
	entries := 1
	if i%2 == 1 {
		job.Owner, job.EmailList, job.ControlType, job.RunReset = "bob", "a@example.com", 1, true
		entry.HostID, entry.MetaHost = new(int64(i%hosts+1)), nil
	}
	if i%4 == 2 {
		job.SynchCount, entries = 2, 2
	}
	r.jobs = append(r.jobs, job)
	r.entriesOf = append(r.entriesOf, [2]int{len(r.entries), len(r.entries) + entries})
	for range entries {
		entry.ID = int64(len(r.entries) + 2)
		r.entries = append(r.entries, entry)
	}
	labels := [][]int64{{boardLabel, versionLabel}, {boardLabel}, {boardLabel, poolLabel}, nil}[i%4]
	r.deps = append(r.deps, [2]int{len(r.dependencies), len(r.dependencies) + len(labels)})
	for _, label := range labels {
		r.dependencies = append(r.dependencies, labdb.BenchDependencyLabelsParams{JobID: id, LabelID: label})
	}
	for _, k := range keyvalsOfJob {
		r.keyvals = append(r.keyvals, labdb.BenchKeyvalsParams{JobID: id, Key: k.key, Value: k.value})
	}
}

var keyvalsOfJob = []struct{ key, value string }{{"build", build}, {"experimental", "False"}, {"parent_job_id", "1"}}

func at(t time.Time) pgtype.Timestamp { return pgtype.Timestamp{Time: t, Valid: true} }

// count returns how many rows there are in all tables together.
func (r *rows) count() int {
	return len(r.shards) + len(r.labels) + len(r.users) + len(r.aclGroups) + len(r.aclGroupUsers) +
		len(r.hosts) + len(r.aclGroupHosts) + len(r.hostLabels) + len(r.attributes) +
		len(r.jobs) + len(r.dependencies) + len(r.keyvals) + len(r.entries)
}

// copyTo copies all rows in the order of the foreign keys.
func (r *rows) copyTo(ctx context.Context, q *labdb.Queries) error {
	for _, table := range []func() (int64, error){
		func() (int64, error) { return q.BenchShards(ctx, r.shards) },
		func() (int64, error) { return q.BenchLabels(ctx, r.labels) },
		func() (int64, error) { return q.BenchUsers(ctx, r.users) },
		func() (int64, error) { return q.BenchACLGroups(ctx, r.aclGroups) },
		func() (int64, error) { return q.BenchACLGroupUsers(ctx, r.aclGroupUsers) },
		func() (int64, error) { return q.BenchHosts(ctx, r.hosts) },
		func() (int64, error) { return q.BenchACLGroupHosts(ctx, r.aclGroupHosts) },
		func() (int64, error) { return q.BenchHostLabels(ctx, r.hostLabels) },
		func() (int64, error) { return q.BenchHostAttributes(ctx, r.attributes) },
		func() (int64, error) { return q.BenchJobs(ctx, r.jobs) },
		func() (int64, error) { return q.BenchDependencyLabels(ctx, r.dependencies) },
		func() (int64, error) { return q.BenchKeyvals(ctx, r.keyvals) },
		func() (int64, error) { return q.BenchEntries(ctx, r.entries) },
	} {
		if _, err := table(); err != nil {
			return fmt.Errorf("copy the rows of %d jobs: %w", len(r.jobs), err)
		}
	}
	return nil
}
