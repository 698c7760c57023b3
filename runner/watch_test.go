package runner_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// The files for Prometheus and Grafana name only metrics that are served, and the document knows
// every alert. `make observe` lets Prometheus's own programs judge them.
func TestAlertsAndDashboardAreOfThisProgram(t *testing.T) {
	t.Parallel()
	served := servedMetrics(t)
	alerts := string(readFile(t, "../deploy/prometheus/alerts.yaml"))
	tests := string(readFile(t, "../deploy/prometheus/alerts_test.yaml"))
	dashboard := string(readFile(t, "../deploy/grafana/dashboard.json"))
	for file, text := range map[string]string{"alerts.yaml": alerts, "alerts_test.yaml": tests, "dashboard.json": dashboard} {
		names := found(`\b(shard_client_[a-z_]+)`, text)
		for _, name := range names {
			if !slices.Contains(served, strings.TrimSuffix(name, "_bucket")) {
				t.Errorf("%s names %s, which is not served", file, name)
			}
		}
		if len(names) == 0 {
			t.Errorf("%s names no metric of ours", file)
		}
	}
	if !json.Valid([]byte(dashboard)) {
		t.Error("dashboard.json is no JSON")
	}
	names := found(`(?m)^ +- alert: (\w+)$`, alerts)
	page := documents(t)["docs/metrics.md"]
	same(t, "alert", names, found("(?m)^\\| `(Shard\\w+)` \\| (?:page|ticket) ", page))
	same(t, "test of alert", names, found(`(?m)^ +- alertname: (\w+)$`, tests))
	for _, name := range names {
		severity := found(`(?s)alert: `+name+`\n.*?severity: (\w+)`, alerts)[0]
		if !strings.Contains(page, "| `"+name+"` | "+severity+" |") {
			t.Errorf("docs/metrics.md has another severity of %s than %s", name, severity)
		}
		for _, state := range []string{" fires", " is silent"} {
			if !strings.Contains(tests, "name: "+name+state+"\n") {
				t.Errorf("alerts_test.yaml has no case %q", name+state)
			}
		}
	}
}
