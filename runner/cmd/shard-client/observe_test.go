//go:build observe

package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"shardclient/runner/wait"
)

// The files that operators are given agree with a real client, by the judgement of Prometheus's own
// programs. PROMETHEUS names the directory of these: make observe sets it.

const deploy = "../../../deploy"

// promtool runs it over some input.
func promtool(t *testing.T, input string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(os.Getenv("PROMETHEUS"), "promtool"), args...)
	cmd.Stdin = strings.NewReader(input)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool %q: %v\n%s", args, err, out)
	}
}

func TestAlertsByPromtool(t *testing.T) {
	promtool(t, "", "check", "rules", deploy+"/prometheus/alerts.yaml")
	promtool(t, "", "test", "rules", deploy+"/prometheus/alerts_test.yaml")
}

// A real Prometheus scrapes a real client, and then answers each expression of the dashboard with
// something.
func TestDashboardByPrometheus(t *testing.T) {
	databaseURL, pool := database(t)
	finish(t, pool, 7, "x")
	m := master(t, answers(jobs(1, 2)))
	client := see(t, &startRun(t, m, databaseURL, "--listen=127.0.0.1:0", "--heartbeat-pause=300ms").stderr)
	wait.Until(t, "for ages of jobs", func() bool { return client.metrics()["open_job_age_seconds_count"] > 0 })
	_, page := client.get("/metrics")
	promtool(t, ourLines(page), "check", "metrics")

	p := startPrometheus(t, client.address)
	p.until(t, "for scrapes", `sum(increase(shard_client_beats_total[1m]))`)
	for _, expression := range dashboard(t) {
		p.until(t, "for an answer to "+expression, expression)
	}
	if n := len(p.asks(t, `ALERTS{alertname="ShardUploadsInVain"}`)); n > 0 {
		t.Error("an alert fires for a client that is well")
	}
}

// ourLines leaves out what the runtime calls its metrics: promtool does not like all of that.
func ourLines(page string) string {
	var ours strings.Builder
	for line := range strings.Lines(page) {
		if strings.Contains(strings.Join(strings.Fields(line + " . .")[:3], " "), "shard_client_") {
			ours.WriteString(line)
		}
	}
	return ours.String()
}

// dashboard returns every expression, with what Grafana would put in place of its variables.
func dashboard(t *testing.T) (expressions []string) {
	t.Helper()
	text, err := os.ReadFile(deploy + "/grafana/dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	for _, panel := range board.Panels {
		for _, target := range panel.Targets {
			expressions = append(expressions, strings.NewReplacer("$instance", ".*", "$__rate_interval", "1m").Replace(target.Expr))
		}
	}
	if len(expressions) < 20 {
		t.Fatalf("only %d expressions", len(expressions))
	}
	return expressions
}

type prometheus struct{ address string }

func startPrometheus(t *testing.T, client string) prometheus {
	t.Helper()
	alerts, err := filepath.Abs(deploy + "/prometheus/alerts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	directory := t.TempDir()
	writeSecret(t, directory+"/prometheus.yml", fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: shard-client
    static_configs: [{targets: ["%s"]}]
`, alerts, client))
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := prometheus{free.Addr().String()}
	_ = free.Close()
	cmd := exec.Command(filepath.Join(os.Getenv("PROMETHEUS"), "prometheus"), "--config.file="+directory+"/prometheus.yml",
		"--storage.tsdb.path="+directory+"/data", "--web.listen-address="+p.address)
	said := &output{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("prometheus:\n%s", said.String())
		}
	})
	wait.Until(t, "for Prometheus", func() bool {
		response, err := http.Get("http://" + p.address + "/-/ready")
		if err == nil {
			_ = response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	})
	return p
}

// asks returns the series that answer an expression.
func (p prometheus) asks(t *testing.T, expression string) []json.RawMessage {
	t.Helper()
	response, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Status != "success" {
		t.Fatalf("%s: %v %s", expression, err, answer.Error)
	}
	return answer.Data.Result
}

func (p prometheus) until(t *testing.T, what, expression string) {
	t.Helper()
	wait.Until(t, what, func() bool { return len(p.asks(t, expression)) > 0 })
}
