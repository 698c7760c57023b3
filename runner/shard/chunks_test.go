package shard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// depends makes a job depend on a label.
func depends(t *testing.T, job string, id int, name string) string {
	t.Helper()
	return replaced(t, job, `"dependency_labels": []`, fmt.Sprintf(`"dependency_labels": [{"id": %d, "name": %q}]`, id, name))
}

// jobsThatDepend are good jobs that depend on a label.
func jobsThatDepend(t *testing.T, n, id int, name string) []string {
	t.Helper()
	jobs := goodJobs(n)
	for i := range jobs {
		jobs[i] = depends(t, jobs[i], id, name)
	}
	return jobs
}

// knownJob9 stores job 9 with one entry.
const knownJob9 = `INSERT INTO afe_shards (id, hostname) VALUES (1, 'shard1.example');
	INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) VALUES (9, 'alice', 'job9', '2019-03-15T10:20:31.123', 1);
	INSERT INTO afe_host_queue_entries (id, job_id, status) VALUES (1009, 9, 'Running')`

// inPieces are answers whose later jobs say something about earlier ones, or about what these name.
// here is what the database holds before.
var inPieces = []struct {
	name, here string
	hosts      []string
	jobs       func(t *testing.T) []string
	aside      []string // kind, id and code
}{
	{
		name: "a name that has another id here comes late",
		here: `INSERT INTO afe_labels (id, name) VALUES (77, 'late'); INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h'); INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 77)`,
		jobs: func(t *testing.T) []string {
			return append(jobsThatDepend(t, 8, 5, "early"), depends(t, job(9, entry(1009)), 6, "late"))
		},
	},
	{
		name: "a name that has another id here comes late, and later what became of that id",
		here: `INSERT INTO afe_labels (id, name) VALUES (77, 'late'); INSERT INTO afe_hosts (id, hostname) VALUES (1, 'h'); INSERT INTO afe_hosts_labels (host_id, label_id) VALUES (1, 77)`,
		jobs: func(t *testing.T) []string {
			jobs := jobsThatDepend(t, 14, 5, "early")
			jobs[8], jobs[13] = depends(t, job(9, entry(1009)), 6, "late"), depends(t, job(14, entry(1014)), 77, "renamed")
			return jobs
		},
	},
	{
		name: "an id gets another name late",
		jobs: func(t *testing.T) []string {
			return append(jobsThatDepend(t, 8, 5, "early"), depends(t, job(9, entry(1009)), 5, "late"))
		},
		aside: []string{"in job 9 duplicate_id"},
	},
	{
		name: "a name gets another id late",
		jobs: func(t *testing.T) []string {
			return append(jobsThatDepend(t, 8, 5, "early"), depends(t, job(9, entry(1009)), 7, "early"))
		},
	},
	{
		name:  "an entry belongs to a job here",
		here:  `INSERT INTO afe_jobs (id, created_on) VALUES (50, '2019-01-01'); INSERT INTO afe_host_queue_entries (id, job_id) VALUES (1001, 50)`,
		jobs:  func(*testing.T) []string { return goodJobs(9) },
		aside: []string{"in job 1 entry_taken", "out job 50 job_taken"},
	},
	{
		name:  "an entry belongs to a job here that comes late",
		here:  `INSERT INTO afe_jobs (id, owner, name, created_on) VALUES (9, 'alice', 'job9', '2019-03-15T10:20:31.123'); INSERT INTO afe_host_queue_entries (id, job_id) VALUES (1001, 9)`,
		jobs:  func(*testing.T) []string { return append(goodJobs(8), job(9, entry(1001))) },
		aside: []string{"in job 1 entry_taken"},
	},
	{
		name:  "an entry comes twice",
		jobs:  func(*testing.T) []string { return append(goodJobs(8), job(9, entry(1001))) },
		aside: []string{"in job 9 entry_taken"},
	},
	{
		name: "a new job names an entry before a job here does",
		here: knownJob9,
		jobs: func(*testing.T) []string {
			return append(goodJobs(4), job(20, entry(1020)), job(9, entry(1009), entry(1020)), job(21, entry(1021)))
		},
		aside: []string{"in job 9 entry_taken"},
	},
	{
		name: "a job here names an entry before a new job does",
		here: knownJob9,
		jobs: func(*testing.T) []string {
			return append(goodJobs(4), job(9, entry(1009), entry(1020)), job(20, entry(1020)), job(21, entry(1021)))
		},
		aside: []string{"in job 20 entry_taken"},
	},
	{
		name: "a job here keeps its entry, which another one names first",
		here: knownJob9,
		jobs: func(*testing.T) []string {
			return append(goodJobs(4), job(20, entry(1009)), job(9, entry(1009, `"aborted": true`), entry(1019)))
		},
		aside: []string{"in job 20 entry_taken"},
	},
	{
		name: "the first job that names an entry waits for a host",
		jobs: func(*testing.T) []string {
			return append(goodJobs(7), job(20, entry(1020), entry(1030, `"host_id": 99`)), job(21, entry(1021), entry(1020)), job(22, entry(1021)))
		},
		aside: []string{"in job 20 waiting_for_host", "in job 21 entry_taken", "in job 22 entry_taken"},
	},
	{
		name: "PostgreSQL refuses the first job that names an entry",
		here: `ALTER TABLE afe_jobs ADD CHECK (name <> 'job20')`,
		jobs: func(*testing.T) []string {
			return append(goodJobs(8), job(20, entry(1020)), job(21, entry(1021), entry(1020)))
		},
		aside: []string{"in job 20 database", "in job 21 entry_taken"},
	},
	{
		name: "a job comes twice",
		jobs: func(*testing.T) []string { return append(goodJobs(8), goodJobs(1)...) },
	},
	{
		name:  "a job comes twice and differs",
		jobs:  func(*testing.T) []string { return append(goodJobs(8), job(1, entry(2000))) },
		aside: []string{"in job 1 duplicate_id"},
	},
	{
		name: "a late job is here",
		here: knownJob9,
		jobs: func(*testing.T) []string {
			return append(goodJobs(8), job(9, entry(1009, `"aborted": true`)), job(10, entry(1010)))
		},
	},
	{
		name:  "the first jobs wait for hosts",
		hosts: []string{host(1, "h1")},
		jobs: func(t *testing.T) []string {
			jobs := jobsThatDepend(t, 9, 5, "l")
			for i := range 4 {
				jobs[i] = replaced(t, jobs[i], `"meta_host": null`, `"meta_host": null, "host_id": 99`)
			}
			return jobs
		},
		aside: []string{"in job 1 waiting_for_host", "in job 2 waiting_for_host", "in job 3 waiting_for_host", "in job 4 waiting_for_host"},
	},
	{
		name:  "PostgreSQL refuses a label",
		here:  `ALTER TABLE afe_labels ADD CHECK (name <> 'bad')`,
		hosts: []string{host(1, "h1")},
		jobs: func(t *testing.T) []string {
			jobs := jobsThatDepend(t, 9, 5, "l")
			jobs[1], jobs[6] = depends(t, job(2, entry(1002)), 6, "bad"), depends(t, job(7, entry(1007)), 6, "bad")
			return jobs
		},
		aside: []string{"in job 2 database", "in job 7 database"},
	},
	{
		name:  "a job that was refused before",
		here:  `INSERT INTO shard_client_quarantine (direction, kind, object_id, code, reason, payload, payload_bytes, payload_digest) VALUES ('in', 'job', 2, 'database', '', '', 0, ''), ('in', 'job', 3, 'malformed', '', '', 0, '')`,
		hosts: []string{host(1, "h1")},
		jobs:  func(*testing.T) []string { return goodJobs(9) },
	},
	{
		name:  "a host whose name is taken",
		here:  `INSERT INTO afe_hosts (id, hostname) VALUES (8, 'h1')`,
		hosts: []string{host(1, "h1"), host(2, "h2")},
		jobs:  func(*testing.T) []string { return goodJobs(9) },
		aside: []string{"in host 1 name_taken"},
	},
	{
		name:  "PostgreSQL refuses a host",
		here:  `ALTER TABLE afe_hosts ADD CHECK (hostname <> 'h1')`,
		hosts: []string{host(1, "h1"), labelled(2, 5, "l", 1, "g", user(1, "u"))},
		jobs:  func(*testing.T) []string { return goodJobs(9) },
		aside: []string{"in host 1 database"},
	},
}

// However an answer is cut into chunks, the same is stored and the same set aside, at once and when
// it comes again.
func TestChunksChangeNothing(t *testing.T) {
	t.Parallel()
	for _, tt := range inPieces {
		t.Run(tt.name, func(t *testing.T) {
			slices.Sort(tt.aside)
			var stored []map[string]map[string]string
			var labels []string
			for _, chunk := range []int{500, 1} {
				pool, master := pgtest.Pool(t), newMaster(t)
				o := options()
				o.ApplyChunk = chunk
				client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
				pgtest.Exec(t, pool, tt.here, simple)
				master.saysResult(result(tt.hosts, tt.jobs(t), []string{keyval(1, "suite", "bvt")}))
				for try := range 2 {
					mustBeat(t, client)
					if diff := cmp.Diff(tt.aside, codesAside(t, pool)); diff != "" {
						t.Errorf("beat %d in chunks of %d: set aside (-want +got):\n%s", try+1, chunk, diff)
					}
					labels = append(labels, pgtest.Query[string](t, pool, `SELECT coalesce(string_agg(host_id || ' has ' || label_id, ', ' ORDER BY host_id, label_id), '') FROM afe_hosts_labels`))
					if now := labels[len(labels)-1]; now != labels[0] {
						t.Errorf("beat %d in chunks of %d: labels of hosts: %s; at once: %s", try+1, chunk, now, labels[0])
					}
					stored = append(stored, rowsAsJSON(t, pool))
					if diff := cmp.Diff(stored[0], stored[len(stored)-1]); diff != "" {
						t.Errorf("beat %d in chunks of %d: stored (-at once +now):\n%s", try+1, chunk, diff)
					}
				}
			}
		})
	}
}

// codesAside lists what is set aside, without the reasons.
func codesAside(t *testing.T, pool *pgxpool.Pool) []string {
	t.Helper()
	var lines []string
	for _, line := range quarantine(t, pool) {
		line, _, _ = strings.Cut(line, ": ")
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// Jobs of which all are expected to be new, and the rows that were made of them early, do not hide
// that one of them is stored by somebody else just then.
func TestAJobThatAppearsWhileOthersAreStored(t *testing.T) {
	t.Parallel()
	pool, master := pgtest.Pool(t), newMaster(t)
	o := options()
	o.ApplyChunk = 1 // so that jobs come four at a time
	client := newClient(t, pool, wire(t, master, afe.Protocol2019), o)
	pgtest.Exec(t, pool, `CREATE FUNCTION appear() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) VALUES (NEW.id + 5, 'alice', 'job' || NEW.id + 5, '2019-03-15T10:20:31.123', 1);
			RETURN NEW;
		END $$;
		CREATE TRIGGER appear BEFORE INSERT ON afe_jobs FOR EACH ROW WHEN (NEW.id IN (4, 8, 12)) EXECUTE FUNCTION appear()`, simple)
	master.saysResult(result([]string{host(1, "h1")}, goodJobs(20), nil))
	b := client.Beat(t.Context(), time.Now())
	if jobs := pgtest.Query[int64](t, pool, "SELECT count(*) FROM afe_jobs j JOIN afe_host_queue_entries e ON e.job_id = j.id"); !b.OK() || jobs != 20 {
		t.Errorf("%s: %s; %d jobs have come with their entries, want 20; set aside %q", b.Failure, b.Error, jobs, quarantine(t, pool))
	}
}
