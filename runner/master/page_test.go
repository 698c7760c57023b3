package master_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// statusPage returns what the reader of a master's page sees, and the state.
func statusPage(t *testing.T, url string) (text, state string) {
	t.Helper()
	response, err := http.Get(strings.TrimSuffix(url, master.Path) + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	root, err := html.Parse(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatal(response.Status, err)
	}
	var words []string
	for node := range root.Descendants() {
		if node.Type == html.TextNode && node.Parent.Data != "style" && node.Parent.Data != "script" {
			words = append(words, node.Data)
		}
		for _, a := range node.Attr {
			if a.Key == "data-state" {
				state = a.Val
			}
		}
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " "), state
}

// The page of a master says which shards beat, which are silent and which are refused, and what
// waits.
func TestStatusPage(t *testing.T) {
	clock := time.Date(2019, 3, 15, 11, 0, 0, 0, time.UTC)
	pool := pgtest.Pool(t)
	url := serveWith(t, pool, master.Options{Protocol: afe.Protocol2019, Now: func() time.Time { return clock }})
	shows := func(when, state string, texts ...string) {
		t.Helper()
		clock = clock.Add(10 * time.Second) // nothing of the page before is fresh any more
		text, got := statusPage(t, url)
		if got != state {
			t.Errorf("%s: state %q, want %q: %s", when, got, state, text)
		}
		for _, want := range texts {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page lacks %q: %s", when, want, text)
			}
		}
	}
	shows("without a shard", "waiting", "There is no shard yet.", "shard-lab shard add", "None is known.", "No heartbeats yet.")
	pgtest.Exec(t, pool, `
		INSERT INTO afe_shards (id, hostname) VALUES (1, 'one'), (2, 'two');
		INSERT INTO afe_labels (id, name) VALUES (1, 'board:<b>eve</b>');
		INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1);
		INSERT INTO afe_hosts (id, hostname, shard_id) VALUES (1, 'h1', 1), (2, 'h2', NULL);
		INSERT INTO afe_jobs (id, owner, name, created_on, shard_id) VALUES (1, 'o', 'n', now(), 1), (2, 'o', 'n', now(), NULL), (3, 'o', 'n', now(), NULL);
		INSERT INTO afe_host_queue_entries (id, job_id) VALUES (1, 1), (2, 2), (3, 3)`)
	call(t, url, heartbeat(`{"shard_hostname": "one", "known_job_ids": [1]}`))
	call(t, url, heartbeat(`{"shard_hostname": "<i>nobody</i>"}`))
	shows("with a silent one", "warning", "1 shard of 2 silent: two.", "one beats 10 s ago", "board:<b>eve</b>", "two silent none since the start",
		"<i>nobody</i>", "1 call, the last one 10 s ago", "2 heartbeats since", "1 ok, 1 failed",
		"jobs on shards, not finished 1", "jobs that no shard has got 2", "hosts that no shard has got 1")
	call(t, url, heartbeat(`{"shard_hostname": "two"}`))
	shows("with all", "good", "All is well: 2 shards beat.")
	call(t, url, heartbeat(`{"shard_hostname": "two", "known_host_ids": [77], "known_host_statuses": ["Ready"]}`))
	shows("with one that is refused", "bad", "Heartbeats of 1 shard are refused: two.", "refused, 1 time")
	call(t, url, heartbeat(`{"shard_hostname": "two"}`))
	clock = clock.Add(time.Hour)
	shows("long after", "warning", "2 shards of 2 silent: one, two.")
	pgtest.Exec(t, pool, `UPDATE afe_shards SET hostname = E'\x1b[31m\u202etwo' WHERE id = 2`)
	shows("with a hostile name", "warning", "2 shards of 2 silent: ?[31m?two, one.")
}
