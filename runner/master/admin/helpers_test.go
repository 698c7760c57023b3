package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/master/admin"
	"shardclient/runner/pgtest"
	"shardclient/runner/wait"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

// lab is a master over a real socket, and a look into its database.
type lab struct {
	*testing.T
	*admin.Admin
	pool *pgxpool.Pool
	url  string
}

func newLab(t *testing.T) *lab {
	t.Helper()
	pool := pgtest.Pool(t)
	handler, err := master.New(pool, master.Options{Protocol: afe.Protocol2019})
	if err != nil {
		t.Fatal(err)
	}
	people, err := admin.New(pool)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return &lab{T: t, Admin: people, pool: pool, url: server.URL + master.Path}
}

// twoShards is a lab with hosts a1, a2 (board:a) of shard one and b1 (board:b) of shard two, none
// of them taken yet.
func twoShards(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	ctx := t.Context()
	got(l.AddUsers(ctx, admin.NewUser{Login: "shard-client", Superuser: true})).ok(l)
	got(l.AddLabels(ctx, admin.NewLabel{Name: "board:a"}, admin.NewLabel{Name: "board:b"}, admin.NewLabel{Name: "pool:x"})).ok(l)
	got(l.AddShard(ctx, "one", "board:a")).ok(l)
	got(l.AddShard(ctx, "two", "board:b")).ok(l)
	got(l.AddHosts(ctx,
		admin.NewHost{Hostname: "a1", Labels: []string{"board:a"}},
		admin.NewHost{Hostname: "a2", Labels: []string{"board:a"}},
		admin.NewHost{Hostname: "b1", Labels: []string{"board:b"}},
	)).ok(l)
	return l
}

// outcome carries what a call returned to a check.
type outcome[T any] struct {
	value T
	err   error
}

func got[T any](value T, err error) outcome[T] { return outcome[T]{value, err} }

// ok fails the test unless the call succeeded.
func (o outcome[T]) ok(l *lab) T {
	l.Helper()
	if o.err != nil {
		l.Fatal(o.err)
	}
	return o.value
}

// reply is what a shard is answered.
type reply struct {
	Hosts []struct {
		ID         int64  `json:"id"`
		Hostname   string `json:"hostname"`
		Locked     bool   `json:"locked"`
		LockReason string `json:"lock_reason"`
		Labels     []struct {
			Name string `json:"name"`
		} `json:"labels"`
		Attributes []struct {
			Attribute string `json:"attribute"`
			Value     string `json:"value"`
		} `json:"hostattribute_set"`
	} `json:"hosts"`
	Jobs []struct {
		ID           int64  `json:"id"`
		Name         string `json:"name"`
		ControlFile  string `json:"control_file"`
		Dependencies []struct {
			Name string `json:"name"`
		} `json:"dependency_labels"`
		Keyvals []keyval `json:"jobkeyval_set"`
		Entries []struct {
			Status  string `json:"status"`
			Aborted bool   `json:"aborted"`
		} `json:"hostqueueentry_set"`
	} `json:"jobs"`
	SuiteKeyvals   []keyval `json:"suite_keyvals"`
	IncorrectHosts []int64  `json:"incorrect_host_ids"`
}

type keyval struct {
	JobID int64  `json:"job_id"`
	Key   string `json:"key"`
	Value string `json:"value"`
}

// beat is a heartbeat; more are further arguments, as JSON. The error is what the master calls it.
func (l *lab) beat(ctx context.Context, shard, more string) (*reply, error) {
	if more != "" {
		more = ", " + more
	}
	body := fmt.Sprintf(`{"method": "shard_heartbeat", "params": [{"shard_hostname": %q%s}], "id": "jsonrpc"}`, shard, more)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "shard-client")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Result reply `json:"result"`
		Error  *struct{ Name, Message string }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("%w in %s", err, text)
	}
	if answer.Error != nil {
		return nil, fmt.Errorf("%s: %s", answer.Error.Name, answer.Error.Message)
	}
	return &answer.Result, nil
}

// hears says what a heartbeat is answered: "hosts a1 a2; jobs 7; incorrect 3".
func (l *lab) hears(shard, more string) string {
	l.Helper()
	r, err := l.beat(l.Context(), shard, more)
	if err != nil {
		l.Fatal(err)
	}
	var parts []string
	for _, list := range []struct {
		name  string
		items []string
	}{{"hosts", nil}, {"jobs", nil}, {"incorrect", nil}} {
		switch list.name {
		case "hosts":
			for _, host := range r.Hosts {
				list.items = append(list.items, host.Hostname)
			}
		case "jobs":
			for _, job := range r.Jobs {
				list.items = append(list.items, job.Name)
			}
		case "incorrect":
			for _, id := range r.IncorrectHosts {
				list.items = append(list.items, pgtest.Query[string](l.T, l.pool, "SELECT hostname FROM afe_hosts WHERE id = $1", id))
			}
		}
		if len(list.items) > 0 {
			parts = append(parts, list.name+" "+strings.Join(list.items, " "))
		}
	}
	return strings.Join(parts, "; ")
}

// knows are the arguments of a shard that has these hosts.
func (l *lab) knows(hostnames ...string) string {
	l.Helper()
	ids := pgtest.Query[string](l.T, l.pool, "SELECT coalesce(string_agg(id::text, ', ' ORDER BY id), '') FROM afe_hosts WHERE hostname = ANY ($1)", hostnames)
	statuses := strings.TrimSuffix(strings.Repeat(`"Ready", `, len(hostnames)), ", ")
	return fmt.Sprintf(`"known_host_ids": [%s], "known_host_statuses": [%s]`, ids, statuses)
}

// want compares what was found with what should be.
func (l *lab) want(what string, want, got any) {
	l.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		l.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// outcomesOf reads: a1 added, a2 unchanged.
func outcomesOf(changes []admin.Change) string {
	var parts []string
	for _, change := range changes {
		parts = append(parts, change.Name+" "+string(change.Outcome))
	}
	return strings.Join(parts, ", ")
}

// everything is a digest of all that the master has.
func (l *lab) everything() string {
	l.Helper()
	var parts []string
	for _, table := range []string{
		"shards", "labels", "shards_labels", "users", "acl_groups", "acl_groups_users", "hosts", "hosts_labels",
		"acl_groups_hosts", "host_attributes", "jobs", "jobs_dependency_labels", "job_keyvals", "host_queue_entries",
		"aborted_host_queue_entries",
	} {
		parts = append(parts, pgtest.Query[string](l.T, l.pool, "SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM afe_"+table+" AS t"))
	}
	return strings.Join(parts, "\n")
}

// behind runs a call that meets an open transaction of somebody else: it holds these statements
// back until the call waits for it, then commits.
func behind[T any](l *lab, call func(context.Context) (T, error), statements ...string) (T, error) {
	l.Helper()
	ctx := wait.Context(l.T)
	result := make(chan outcome[T], 1)
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		for _, sql := range statements {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		go func() { result <- got(call(ctx)) }()
		return waitedFor(ctx, tx)
	})
	if err != nil {
		l.Fatal(err)
	}
	o := <-result
	return o.value, o.err
}
