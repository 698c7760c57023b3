package beat

import (
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// `once --output json` prints a report and the history keeps it: names and their order are a
// contract.
func TestReportJSONIsAContract(t *testing.T) {
	t.Parallel()
	body, err := json.Marshal(&Report{Outcome: OutcomeOK, PackedMS: 1.5, Protocol: "2019", Soon: true, Pending: 3})
	const want = `{"outcome":"ok","failure":"","error":"","packed_ms":1.5,"rpc_ms":0,"ack_ms":0,"apply_ms":0,` +
		`"known_jobs":0,"known_hosts":0,"uploaded_jobs":0,"uploaded_entries":0,` +
		`"received_hosts":0,"received_jobs":0,"received_keyvals":0,"quarantined":0}`
	if err != nil || string(body) != want {
		t.Errorf("%s, %v\nwant %s", body, err, want)
	}
}

// Every field of the contract is in the line of the log, under the same name.
func TestAttributesNameEveryField(t *testing.T) {
	t.Parallel()
	r := &Report{}
	r.Fail(errors.New("broken"), FailureDatabase, "broken")
	var line strings.Builder
	slog.New(slog.NewTextHandler(&line, nil)).Info("heartbeat", r.Attributes()...)
	for field := range reflect.TypeFor[Report]().Fields() {
		name := field.Tag.Get("json")
		if name == "-" || name == "outcome" {
			continue // the message says the outcome
		}
		if !strings.Contains(line.String(), " "+name+"=") {
			t.Errorf("no %s in %s", name, line.String())
		}
	}
	if !strings.Contains(line.String(), " protocol=") {
		t.Errorf("no protocol in %s", line.String())
	}
}

// All time counts to one phase or another.
func TestStopwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &Report{}
		watch := NewStopwatch(time.Now().Add(-time.Millisecond))
		watch.Stop() // without a phase it does nothing
		watch.Start(&r.PackedMS)
		<-time.After(2 * time.Millisecond)
		watch.Start(&r.RPCMS)
		<-time.After(5*time.Second + 7*time.Microsecond)
		watch.Stop()
		<-time.After(time.Millisecond)
		watch.Stop()
		if r.PackedMS != 3 || r.RPCMS != 5001.007 {
			t.Errorf("pack %v ms, rpc %v ms; want 3 and 5001.007", r.PackedMS, r.RPCMS)
		}
		for name, took := range r.Phases() {
			want := map[string]time.Duration{"pack": 3 * time.Millisecond, "rpc": 5001007 * time.Microsecond}
			if took != want[name] {
				t.Errorf("%s took %s, want %s", name, took, want[name])
			}
		}
	})
}

func TestSentAndPending(t *testing.T) {
	t.Parallel()
	if (&Report{PackedMS: 3}).Sent() || !(&Report{RPCMS: 1}).Sent() {
		t.Error("a packet counts as sent when its request took time")
	}
	if n := (&Report{Pending: 20, UploadedJobs: 7}).StillPending(); n != 13 {
		t.Errorf("%d jobs still pending, want 13", n)
	}
}

func TestSummaryCountsOneAsOne(t *testing.T) {
	r := Report{Outcome: OutcomeOK, KnownJobs: 1, KnownHosts: 1, UploadedJobs: 1, UploadedEntries: 1, ReceivedHosts: 1, ReceivedJobs: 1, ReceivedKeyvals: 1}
	want := "heartbeat ok: knew 1 job and 1 host, uploaded 1 job with 1 entry, received 1 host, 1 job and 1 keyval, set aside 0\n"
	if got := r.Summary(); !strings.HasPrefix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
