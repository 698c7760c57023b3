package ops

import (
	"strings"
	"testing"
	"time"

	"shardclient/runner/beat"
)

// A field that would make a number wrong, or a scrape panic, is named before anything is served.
func TestOptionsThatWouldFailLater(t *testing.T) {
	good := func() MetricsOptions {
		return MetricsOptions{Version: "v", SchemaVersion: 1, Failures: []string{"database"}, UploadLimit: beat.Batch{Jobs: 1, Bytes: 1}}
	}
	if _, err := NewMetrics(good()); err != nil {
		t.Errorf("good options: %v", err)
	}
	for want, spoil := range map[string]func(*MetricsOptions){
		`ops: MetricsOptions.Version is "": want`:           func(o *MetricsOptions) { o.Version = "" },
		`ops: MetricsOptions.Version is "\xff": want`:       func(o *MetricsOptions) { o.Version = "\xff" },
		`ops: MetricsOptions.SchemaVersion is 0: want`:      func(o *MetricsOptions) { o.SchemaVersion = 0 },
		`ops: MetricsOptions.Failures is empty: want`:       func(o *MetricsOptions) { o.Failures = nil },
		`ops: MetricsOptions.UploadLimit.Jobs is 0: want`:   func(o *MetricsOptions) { o.UploadLimit.Jobs = 0 },
		`ops: MetricsOptions.UploadLimit.Jobs is -1: want`:  func(o *MetricsOptions) { o.UploadLimit.Jobs = -1 },
		`ops: MetricsOptions.UploadLimit.Bytes is 0: want`:  func(o *MetricsOptions) { o.UploadLimit.Bytes = 0 },
		`ops: MetricsOptions.UploadLimit.Bytes is -1: want`: func(o *MetricsOptions) { o.UploadLimit.Bytes = -1 },
	} {
		o := good()
		spoil(&o)
		if m, err := NewMetrics(o); m != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, limit := range []time.Duration{0, -time.Second} {
		if h, err := NewHealth(limit); h != nil || err == nil || !strings.Contains(err.Error(), "limit of the health is "+limit.String()) {
			t.Errorf("health with a limit of %s: %v", limit, err)
		}
	}
}
