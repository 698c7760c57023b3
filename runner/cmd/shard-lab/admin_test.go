package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/pgtest"
)

// masterOf is a database of one test, which the commands find in the environment.
func masterOf(t *testing.T) *pgxpool.Pool {
	t.Helper()
	databaseURL := pgtest.Database(t)
	t.Setenv("SHARD_LAB_DATABASE_URL", databaseURL)
	pool, err := pgxpool.New(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// prints runs a command, words apart by spaces, and compares all that it prints on stdout.
func prints(t *testing.T, command, want string) {
	t.Helper()
	code, stdout, stderr := invoke(strings.Fields(command)...)
	if diff := cmp.Diff(want, times.ReplaceAllString(stdout, "TIME")); code != exitOK || stderr != "" || diff != "" {
		t.Errorf("%s: exit %d, stderr %q (-want +printed):\n%s", command, code, stderr, diff)
	}
}

// setUp makes shard s with label a and hosts h1, h2.
func setUp(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool := masterOf(t)
	for _, command := range []string{
		"label add a board:z", "shard add s --label a", "host add h1 h2 --label a",
	} {
		if code, _, stderr := invoke(strings.Fields(command)...); code != exitOK {
			t.Fatalf("%s: exit %d, %s", command, code, stderr)
		}
	}
	return pool
}

// What the documented session does not show. Every command can be given twice.
func TestAdministration(t *testing.T) {
	setUp(t)
	for _, step := range []struct{ command, want string }{
		{"label add a b --platform", "label a (id 1): is there already\nlabel b (id 3): added\n"},
		{"shard add s --label a --label b", "shard s (id 1): is there already\nlabel a (id 1): belongs to the shard already\nlabel b (id 3): belongs to the shard now\n"},
		{"host add h1 h3", "host h1 (id 1): is there already, and left alone; see label attach\nhost h3 (id 3): added\n"},
		{"label attach b h1 h3", "host h1 (id 1): has the label now\nhost h3 (id 3): has the label now\n"},
		{"label attach b h1", "host h1 (id 1): has the label already\n"},
		{"label detach b h1", "host h1 (id 1): no longer has the label\n"},
		{"label detach b h1", "host h1 (id 1): does not have the label\n"},
		{"label list", "ID  NAME     PLATFORM  SHARD  HOSTS\n1   a        -         s      2\n3   b        yes       s      1\n2   board:z  -         -      0\n"},
		{"host unlock h1", "host h1 (id 1): is not locked\n"},
		{"host lock h1 --reason x --user bob", "host h1 (id 1): locked by bob since TIME: x\n"},
		{"host unlock h1", "host h1 (id 1): unlocked\n"},
		{"host move h1 --to board:z", "host h1 (id 1): moved to board:z\n"},
		{"host move h1 --to board:z", "host h1 (id 1): has no other board already\n"},
		{"user add bob --acl lab --superuser", "user bob (id 1): is there already\n"},
		{"user list", "ID  LOGIN  SUPERUSER  ACL_GROUPS\n1   bob    yes        Everyone,lab\n"},
		{"host add h4 --acl lab", "host h4 (id 4): added\n"},
		{"host lease h4 h1", "host h1 (id 1): leased\nhost h4 (id 4): leased\n"},
		{"host lease h4", "host h4 (id 4): is leased already\n"},
		{"host release h4 h1", "host h1 (id 1): released\nhost h4 (id 4): released\n"},
		{"host release h4", "host h4 (id 4): is not leased\n"},
		{"host remove h3 --user bob", "host h3 (id 3): removed\naborted: 0 entries\n"},
		{"host add h3", "host h3 (id 3): added again, with its old id\n"},
		{"job create j --owner bob --host h1 --host h2 --synch-count 2", "job 1\n"},
		{"job abort 1 --user bob", "job 1: 2 entries aborted\n"},
		{"job abort 1 --user bob", "job 1: nothing left to abort\n"},
		{"job list --finished", "ID  NAME  OWNER  SHARD  CREATED  ENTRIES\n"},
		{"job list --limit 0", "ID  NAME  OWNER  SHARD  CREATED              ENTRIES\n1   j     bob    -      TIME  2 Aborted (Queued)\n"},
		{"shard remove s --label b", "shard s: without b now; without a shard now: 0 hosts\n"},
		{"label remove b", "label b: removed\n"},
		{"label add b", "label b (id 3): added again, with its old id\n"},
		{"shard remove s", "shard s: removed; without a shard now: 1 label, 0 hosts, 0 jobs\n"},
		{"shard list", "ID  HOSTNAME  LABELS  HOSTS  OPEN_JOBS  JOBS\n"},
	} {
		prints(t, step.command, step.want)
	}
}

// A shard that has the host goes on without knowing of the lock.
func TestHostLockSaysWhoIsNotTold(t *testing.T) {
	pool := setUp(t)
	if _, err := pool.Exec(t.Context(), "UPDATE afe_hosts SET shard_id = 1 WHERE hostname = 'h1'"); err != nil {
		t.Fatal(err)
	}
	prints(t, "host lock h1 --reason x --user bob", "host h1 (id 1): locked by bob since TIME: x; shard s has the host and is not told\n")
	prints(t, "host lock h1 --reason x --user bob", "host h1 (id 1): is locked already by bob since TIME: x\n")
	prints(t, "shard list", "ID  HOSTNAME  LABELS  HOSTS  OPEN_JOBS  JOBS\n1   s         a       1      0          0\n")
}

func TestAdministrationAsJSON(t *testing.T) {
	setUp(t)
	for _, step := range []struct{ command, want string }{
		{"label add a c", `[{"id":1,"name":"a","outcome":"unchanged"},{"id":3,"name":"c","outcome":"added"}]`},
		{"shard add s --label a", `{"shard":{"id":1,"name":"s","outcome":"unchanged"},"labels":[{"id":1,"name":"a","outcome":"unchanged"}]}`},
		{"shard add t", `{"shard":{"id":2,"name":"t","outcome":"added"},"labels":[]}`},
		{"shard list", `[{"id":1,"hostname":"s","labels":["a"],"hosts":0,"open_jobs":0,"jobs":0},{"id":2,"hostname":"t","labels":[],"hosts":0,"open_jobs":0,"jobs":0}]`},
		{"shard remove t", `{"jobs":0,"hosts":0,"labels":0}`},
		{"label list", `[{"id":1,"name":"a","platform":false,"shard":"s","hosts":2},{"id":2,"name":"board:z","platform":false,"shard":"","hosts":0},{"id":3,"name":"c","platform":false,"shard":"","hosts":0}]`},
		{"label attach c h1", `[{"id":1,"name":"h1","outcome":"changed"}]`},
		{"label detach c h1", `[{"id":1,"name":"h1","outcome":"changed"}]`},
		{"label remove c", `{"removed":"c"}`},
		{"host add h3 --attribute k=v", `[{"id":3,"name":"h3","outcome":"added"}]`},
		{"host lock h3 --reason x --user bob", `[{"id":3,"name":"h3","outcome":"changed","locked_by":"bob","lock_time":"TIMEZ","lock_reason":"x","shard":""}]`},
		{"host list", `[{"id":1,"hostname":"h1","status":"Ready","leased":false,"locked":false,"locked_by":"","lock_time":null,"lock_reason":"","shard":"","labels":["a"],"acl_groups":["Everyone"],"attributes":{}},` +
			`{"id":2,"hostname":"h2","status":"Ready","leased":false,"locked":false,"locked_by":"","lock_time":null,"lock_reason":"","shard":"","labels":["a"],"acl_groups":["Everyone"],"attributes":{}},` +
			`{"id":3,"hostname":"h3","status":"Ready","leased":false,"locked":true,"locked_by":"bob","lock_time":"TIMEZ","lock_reason":"x","shard":"","labels":[],"acl_groups":["Everyone"],"attributes":{"k":"v"}}]`},
		{"host unlock h3", `[{"id":3,"name":"h3","outcome":"changed","locked_by":"","lock_time":null,"lock_reason":"x","shard":""}]`},
		{"host move h3 --to board:z", `[{"id":3,"name":"h3","outcome":"changed"}]`},
		{"job create j --owner bob --meta-host a", `{"ids":[1]}`},
		{"job create s --suite --children 2 --owner bob --meta-host a", `{"parent_id":2,"child_ids":[3,4]}`},
		{"job abort 2 --user bob", `[{"id":2,"aborted_entries":1},{"id":3,"aborted_entries":1},{"id":4,"aborted_entries":1}]`},
		{"job list --limit 1", `[{"id":4,"name":"s/2","owner":"bob","priority":40,"created_on":"TIMEZ","shard":"","parent_id":2,"entries":{"Aborted (Queued)":1}}]`},
		{"host remove h3 --user bob", `{"hosts":[{"id":3,"name":"h3","outcome":"removed"}],"aborted_entries":0}`},
		{"shard remove s --label a", `{"hosts":0}`},
		{"user add bob", `[{"id":1,"name":"bob","outcome":"unchanged"}]`},
		{"user list", `[{"id":1,"login":"bob","superuser":false,"acl_groups":["Everyone"]}]`},
	} {
		prints(t, step.command+" --output json", step.want+"\n")
	}
}

// Every flag of job create arrives, and a value may hold what separates values elsewhere.
func TestJobCreateFlags(t *testing.T) {
	pool := setUp(t)
	file := filepath.Join(t.TempDir(), "control")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	prints(t, "host add h3 --leased --attribute a=b=c,d;e=f --attribute g=h", "host h3 (id 3): added\n")
	t.Setenv("SHARD_LAB_JOB_TIMEOUT_MINS", "360")
	prints(t, "job create parent --owner bob --hostless", "job 1\n")
	prints(t, "job create j --owner amy --priority 20 --label a --dependency board:z --meta-host a --meta-host a --host h1 "+
		"--synch-count 3 --max-runtime-mins 90 --control-file "+file+" --client-side --keyval a=b=c,d;g=h --keyval e=f --parent 1", "job 2\n")
	prints(t, "job create --suite s --children 3 --owner amy --meta-host a --keyval k=v --suite-keyval build=R1 --control-text text", "suite job 3\nchild jobs 4-6\n")
	for sql, want := range map[string]string{
		"SELECT string_agg(hostname || ' ' || leased, ', ' ORDER BY id) FROM afe_hosts":                                                                              "h1 false, h2 false, h3 true",
		"SELECT string_agg(concat_ws(' ', timeout, timeout_mins, max_runtime_hrs, max_runtime_mins), ', ' ORDER BY id) FROM afe_jobs WHERE id IN (2, 3, 4)":          "6 360 72 90, 6 360 72 4320, 6 360 72 4320",
		"SELECT concat_ws('|', name, owner, priority, synch_count, control_file, control_type, parent_job_id) FROM afe_jobs WHERE id = 2":                            "j|amy|20|3|from a file\n|2|1",
		"SELECT string_agg(l.name, ' ' ORDER BY l.name) FROM afe_jobs_dependency_labels AS d JOIN afe_labels AS l ON l.id = d.label_id WHERE job_id = 2":             "a board:z",
		"SELECT string_agg(coalesce(meta_host, 0) || '/' || coalesce(host_id, 0), ' ' ORDER BY id) FROM afe_host_queue_entries WHERE job_id = 2":                     "1/0 1/0 0/1",
		"SELECT string_agg(job_id || ' ' || key || ' ' || value, ', ' ORDER BY job_id, key) FROM afe_job_keyvals WHERE job_id < 5":                                   "2 a b=c,d;g=h, 2 e f, 2 parent_job_id 1, 3 build R1, 4 k v, 4 parent_job_id 3",
		"SELECT string_agg(attribute || ' ' || value, ', ' ORDER BY attribute) FROM afe_host_attributes WHERE host_id = 3":                                           "a b=c,d;e=f, g h",
		"SELECT string_agg(concat_ws(' ', name, control_type, coalesce(control_file, '-'), parent_job_id), ', ' ORDER BY id) FROM afe_jobs WHERE id IN (1, 3, 4, 6)": "parent 1 -, s 1 -, s/1 1 text 3, s/3 1 text 3",
	} {
		if got := pgtest.Query[string](t, pool, sql); got != want {
			t.Errorf("%s: %q, want %q", sql, got, want)
		}
	}
}

// A name from outside neither breaks a table nor reaches the terminal as it is.
func TestTablesHoldNamesFromOutside(t *testing.T) {
	masterOf(t)
	code, stdout, stderr := invoke("host", "add", "a\tb\x1b[31m\nc")
	if code != exitOK || stdout != "host a b?[31m c (id 1): added\n" {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
	prints(t, "host list", "ID  HOSTNAME    STATUS  LOCKED_BY  SHARD  LABELS  ACL_GROUPS\n1   a b?[31m c  Ready   -          -      -       Everyone\n")
}

// Whoever acts is the operating system's user when nobody is named.
func TestActorByDefault(t *testing.T) {
	pool := setUp(t)
	prints(t, "job create j --hostless", "job 1\n")
	prints(t, "job abort 1", "job 1: 1 entry aborted\n")
	owner := pgtest.Query[string](t, pool, "SELECT owner FROM afe_jobs")
	aborted := pgtest.Query[string](t, pool, "SELECT u.login FROM afe_aborted_host_queue_entries AS a JOIN afe_users AS u ON u.id = a.aborted_by_id")
	if owner == "" || owner != aborted {
		t.Errorf("owner %q, aborted by %q, want both the user of this process", owner, aborted)
	}
}

// Every administration command takes the database and the form of the output.
func TestAdministrationHelp(t *testing.T) {
	_, help, _ := invoke("--help")
	commands := regexp.MustCompile(`(?m)^  ((?:shard|label|host|job|user) \w+)`).FindAllStringSubmatch(help, -1)
	if len(commands) != 21 {
		t.Errorf("%d commands in the help, want 21:\n%s", len(commands), help)
	}
	for _, command := range commands {
		code, stdout, _ := invoke(append(strings.Fields(command[1]), "--help")...)
		if code != exitOK || !strings.Contains(stdout, "$SHARD_LAB_DATABASE_URL") || !strings.Contains(stdout, "--output") {
			t.Errorf("%s --help: exit %d:\n%s", command[1], code, stdout)
		}
	}
}

// A suite prints its ids in one line each, however many there are.
func TestJobCreateManyChildren(t *testing.T) {
	setUp(t)
	prints(t, "job create --suite s --children 10000 --owner bob --meta-host a", "suite job 1\nchild jobs 2-10001\n")
	_, stdout, _ := invoke("job", "list", "--limit", "0", "--output", "json")
	var jobs []struct {
		ParentID int64 `json:"parent_id"`
	}
	if err := json.Unmarshal([]byte(stdout), &jobs); err != nil || len(jobs) != 10001 || jobs[0].ParentID != 1 {
		t.Errorf("%d jobs listed (%v), want 10001", len(jobs), err)
	}
}

func TestRanges(t *testing.T) {
	for want, ids := range map[string][]int64{"": nil, "7": {7}, "7-9": {7, 8, 9}, "1, 3-4, 9": {1, 3, 4, 9}} {
		if got := ranges(ids); got != want {
			t.Errorf("%v: %q, want %q", ids, got, want)
		}
	}
}
