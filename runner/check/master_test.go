package check

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/pgtest"
)

// knows is a master of 2019 in UTC that has these shards, each with a label.
func knows(names ...string) http.Handler { return at(0, 0, names...) }

// at is the same, with a clock and a zone that are off by so much.
func at(clock, zone time.Duration, names ...string) http.Handler {
	var shards []string
	for i, name := range names {
		label := `"board:eve"`
		if name, without := strings.CutSuffix(name, " without label"); without {
			names[i], label = name, ""
		}
		shards = append(shards, fmt.Sprintf(`{"id": %d, "hostname": %q, "labels": [%s]}`, 70+i, names[i], label))
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call struct {
			Method string
			Params []struct{ Hostname string }
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.Unmarshal(body, &call)
		now := time.Now().Add(clock).UTC()
		w.Header().Set("Date", now.Format(http.TimeFormat))
		switch call.Method {
		case "get_shards":
			list := shards
			if ours := call.Params[0].Hostname; ours != "" && !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, ours) }) {
				list = nil // as MySQL compares
			}
			fmt.Fprintf(w, `{"result": [%s], "error": null, "id": "jsonrpc"}`, strings.Join(list, ","))
		case "get_server_time":
			fmt.Fprintf(w, `{"result": %q, "error": null, "id": "jsonrpc"}`, now.Add(zone).Format("2006-01-02 15:04"))
		default:
			fmt.Fprint(w, `{"result": null, "id": "jsonrpc", "error": {"name": "TypeError", "traceback": "",
				"message": "shard_heartbeat() takes at least 1 argument (1 given)"}}`)
		}
	})
}

func says(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status); fmt.Fprint(w, text) })
}

// What is wrong with a master, or with the name by which it is asked, is said, with a hint.
func TestMasterFaults(t *testing.T) {
	t.Parallel()
	pool := pgtest.Pool(t)
	pgtest.Exec(t, pool, "INSERT INTO afe_shards (hostname) VALUES ('"+ourShard+"'); INSERT INTO afe_labels (name) VALUES ('board:eve'); "+
		"INSERT INTO afe_shards_labels (shard_id, label_id) VALUES (1, 1)")
	old := reference(t, pool, afe.Protocol2015)
	unknown := [2]string{"skipped", "master comes first"}
	none := map[string][2]string{"protocol": unknown, "shard": unknown, "clock": unknown, "time zone": unknown}
	with := func(name, level, text string, more map[string][2]string) map[string][2]string {
		all := map[string][2]string{name: {level, text}}
		for name, want := range more {
			all[name] = want
		}
		return all
	}
	for name, tt := range map[string]struct {
		master http.Handler
		ours   string // "": as it should be
		pinned string
		want   map[string][2]string
	}{
		"2015":         {master: old, want: with("protocol", "ok", "2015", nil)},
		"2015, pinned": {master: old, pinned: "2019", want: with("protocol", "fail", "the master speaks 2015, and --protocol is 2019", nil)},
		"other case":   {master: knows("a", "SHARD1.Example"), want: with("shard", "warn", `spells "shard1.example" as "SHARD1.Example", and finds it by either`, nil)},
		"other case, exactly": {master: reference(t, pool, afe.Protocol2019), ours: "Shard1.example",
			want: with("shard", "fail", "does not find it by our spelling -> give --shard-hostname as the master has it", nil)},
		"dot at the end":     {master: knows(ourShard), ours: ourShard + ".", want: with("shard", "fail", "as the master has it", nil)},
		"by its id":          {master: knows(ourShard), ours: "70", want: with("shard", "fail", "does not find it by our spelling", nil)},
		"two that are alike": {master: knows("SHARD1.example", "shard1.EXAMPLE"), want: with("shard", "fail", "more than one", nil)},
		"ours among alike":   {master: knows("SHARD1.example", ourShard)},
		"without domain":     {master: knows("b", "shard1.lab", "c"), ours: "shard1", want: with("shard", "fail", `does not know "shard1"; it knows shard1.lab, among 3`, nil)},
		"mistyped":           {master: knows("b", "shard1.example", "c"), ours: "shrad1.example", want: with("shard", "fail", "it knows shard1.example, among 3", nil)},
		"strange":            {master: knows("b", "c", "d", "e", "f"), want: with("shard", "fail", "it knows b, c, d, e, and 1 more -> add the shard on the master", nil)},
		"no shard":           {master: knows(), want: with("shard", "fail", "no shard at all", nil)},
		"no label":           {master: knows(ourShard + " without label"), want: with("shard", "warn", "no label", nil)},
		"clock":              {master: at(-time.Hour, 0, ourShard), want: with("clock", "warn", "behind this machine's", nil)},
		"zone":               {master: at(0, -8*time.Hour, ourShard), want: with("time zone", "warn", "the master is in UTC-08:00, this machine in UTC+00:00", nil)},
		"not there":          {master: says(404, "<h1>Not Found"), want: with("master", "fail", "answered HTTP 404", none)},
		"elsewhere":          {master: http.RedirectHandler("https://elsewhere/", http.StatusMovedPermanently), want: with("master", "fail", `answered HTTP 301 to "https://elsewhere/"`, none)},
		"a page":             {master: says(200, "<html>Hello"), want: with("master", "fail", "is not JSON-RPC", none)},
		"another JSON":       {master: says(200, `{"result": {"a": 1}}`), want: with("master", "fail", "not as an AFE", none)},
		"telling nothing": {
			master: says(200, `{"result": null, "error": {"name": "ServiceMethodNotFound", "message": "get_shards"}}`),
			want: with("master", "warn", "does not tell its shards", map[string][2]string{
				"protocol": {"warn", "cannot be told"}, "shard": {"skipped", "does not tell"}, "clock": {"skipped", ""}, "time zone": {"skipped", ""}}),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "postgres://127.0.0.1:1/nowhere")
			s.served(t, tt.master)
			if tt.ours != "" {
				s.ShardHostname = tt.ours
			}
			if tt.pinned != "" {
				s.Protocol = tt.pinned
			}
			have := s.run(t)
			for name, r := range have { // only what is asked of the master is looked at here
				if r.Level == Skipped && (strings.Contains(r.Text, "database") || strings.Contains(r.Text, "pooler") || strings.Contains(r.Text, "schema")) || name == "database" {
					delete(have, name)
				}
			}
			wants(t, have, tt.want)
		})
	}
}
