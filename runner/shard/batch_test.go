package shard

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"shardclient/runner/afe"
)

var wholeBatch = Batch{Jobs: 1000, Bytes: 16 << 20}

func TestBatchHalvesUnderPressureAndGrowsBySuccess(t *testing.T) {
	slow := &afe.Error{Class: afe.Deadline, Err: context.DeadlineExceeded}
	b := Batch{}.within(wholeBatch)
	sent := func() Batch { return Batch{Jobs: min(b.Jobs, 600), Bytes: min(b.Bytes, 3<<20)} } // 600 jobs of 5 KiB wait
	for _, want := range []int{300, 150, 75, 37, 18, 9, 4, 2, 1, 1} {
		b = b.after(sent(), wholeBatch, slow, time.Minute, time.Minute)
		if b.Jobs != want || b.Bytes < minBatchBytes {
			t.Fatalf("%+v, want %d jobs", b, want)
		}
	}
	for _, want := range []int{2, 4, 8, 16, 32, 64, 128, 256, 512, 1000, 1000} {
		b = b.after(sent(), wholeBatch, nil, 15*time.Second, time.Minute)
		if b.Jobs != want {
			t.Fatalf("%+v, want %d jobs", b, want)
		}
	}
	if b.Bytes != wholeBatch.Bytes {
		t.Errorf("%d bytes after many successes, want the whole limit", b.Bytes)
	}
	if b = (Batch{Jobs: 100, Bytes: 1 << 20}); b.after(b, wholeBatch, nil, 16*time.Second, time.Minute) != b {
		t.Error("an upload that took more than a quarter of the deadline lets the next one grow")
	}
	if lower := (Batch{Jobs: 10, Bytes: 1 << 20}); b.within(lower) != lower {
		t.Errorf("a lowered setting is not obeyed: %+v", b.within(lower))
	}
}

func TestWhatIsPressureAndWhatIsRefusal(t *testing.T) {
	status := func(code int) error { return &afe.Error{Class: afe.HTTPStatus, Status: code} }
	transport := func(err error) error { return &afe.Error{Class: afe.Transport, Err: err} }
	for _, c := range []struct {
		name                 string
		err                  error
		overwhelmed, refused bool
	}{
		{"deadline", &afe.Error{Class: afe.Deadline}, true, false},
		{"reset", transport(&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}), true, false},
		{"nobody listens", transport(&net.OpError{Op: "dial", Err: errors.New("connection refused")}), false, false},
		{"body too large", status(413), true, false},
		{"unavailable", status(503), true, false},
		{"bad gateway", status(502), true, false},
		{"too many requests", status(429), false, false},
		{"500 of the original", status(500), true, true},
		{"forbidden", status(403), false, true},
		{"redirect", status(301), false, false},
		{"exception", &afe.Error{Class: afe.RPC, RPC: &afe.RPCError{Name: "ValueError"}}, false, true},
		{"no JSON", &afe.Error{Class: afe.Undecodable}, false, false},
		{"the database here", errors.New("connection lost"), false, false},
	} {
		if o, r := overwhelmed(c.err), refused(c.err); o != c.overwhelmed || r != c.refused {
			t.Errorf("%s: overwhelmed %t, refused %t; want %t, %t", c.name, o, r, c.overwhelmed, c.refused)
		}
	}
}
