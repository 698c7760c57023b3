package afe

import (
	"math"
	"strings"
	"testing"
	"time"

	"shardclient/runner/objects"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// Our types can express what the original client sent, and send it the same.
func TestBodyAsRecorded(t *testing.T) {
	for name, raw := range recorded(t, "0*.request.http") {
		protocol := Protocol(name[:4])
		_, want := recordedRequest(t, raw)
		var recording struct {
			Params []*Packet `json:"params"`
			Method string    `json:"method"`
			ID     string    `json:"id"`
		}
		if err := json.Unmarshal(want, &recording, json.RejectUnknownMembers(true)); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := recording.Params[0].Body(protocol)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parsed(t, want), parsed(t, got)); diff != "" {
			t.Errorf("%s (-recorded +sent):\n%s", name, diff)
		}
	}
}

func parsed(t *testing.T, body []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func fullPacket() *Packet {
	return &Packet{
		ShardHostname: "shard1.example", KnownJobIDs: []int64{4}, KnownHostIDs: []int64{1, 2},
		KnownHostStatuses: []string{"Ready", "Running"},
		Jobs:              []jsontext.Value{[]byte(`{"id":2,"control_file":null}`), []byte(`{"id":3,"name":"\u001f"}`)},
		Entries:           []jsontext.Value{[]byte(`{"id":7,"host_id":1}`), []byte(`{"id":8,"host_id":null}`)},
	}
}

func TestBody(t *testing.T) {
	frame := func(arguments string) string {
		return `{"method":"shard_heartbeat","params":[{` + arguments + `}],"id":"jsonrpc"}`
	}
	const (
		ids     = `"shard_hostname":"shard1.example","known_job_ids":[4],"known_host_ids":[1,2],`
		records = `"jobs":[{"id":2,"control_file":null},{"id":3,"name":"\u001f"}],"hqes":`
	)
	empty := frame(`"shard_hostname":"s","known_job_ids":[],"known_host_ids":[],"known_host_statuses":[],"jobs":[],"hqes":[]`)
	tests := []struct {
		name     string
		packet   *Packet
		protocol Protocol
		want     string
	}{
		{"2019", fullPacket(), Protocol2019,
			frame(ids + `"known_host_statuses":["Ready","Running"],` + records + `[{"id":7,"host_id":1},{"id":8,"host_id":null}]`)},
		{"2015 has neither statuses nor host_id", fullPacket(), Protocol2015, frame(ids + records + `[{"id":7},{"id":8}]`)},
		{"nothing is an empty list, never null", packetOf("s"), Protocol2019, empty},
		{"nothing, 2015", packetOf("s"), Protocol2015, strings.Replace(empty, `"known_host_statuses":[],`, "", 1)},
	}
	for _, tt := range tests {
		got, err := tt.packet.Body(tt.protocol)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\ngot  %s\nwant %s", tt.name, err, got, tt.want)
		}
	}
}

// One packet is sent in both versions when the first answer shows the master's version.
func TestSizeIsThatOfTheBody(t *testing.T) {
	for _, known := range [][]int64{nil, {7}, {-7, 0}, {math.MinInt64, -100, -99, -10, -9, -1, 0, 1},
		{9, 10, 99, 100, 310_000_000, math.MaxInt64 / 10, 999_999_999_999_999_999, 1_000_000_000_000_000_000, math.MaxInt64},
	} {
		for _, hosts := range [][]int64{nil, {1, 22}} {
			p := &Packet{
				ShardHostname: "shard1", KnownJobIDs: known, KnownHostIDs: hosts, KnownHostStatuses: make([]string, len(hosts)),
				Jobs: []jsontext.Value{[]byte(`{"id": 1}`)},
			}
			for _, protocol := range []Protocol{Protocol2015, Protocol2019} {
				body, err := p.Body(protocol)
				size, sizeErr := p.Size(protocol)
				if err != nil || sizeErr != nil || size != len(body) {
					t.Errorf("%s, known %v: size %d, want %d (errors %v, %v)", protocol, known, size, len(body), err, sizeErr)
				}
			}
		}
	}
}

func TestBodyLeavesThePacketAlone(t *testing.T) {
	packet := fullPacket()
	if _, err := packet.Body(Protocol2015); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullPacket(), packet); diff != "" {
		t.Errorf("packet changed (-before +after):\n%s", diff)
	}
}

func TestParseTime(t *testing.T) {
	second := time.Date(2019, 3, 15, 11, 30, 15, 0, time.UTC)
	for s, want := range map[string]time.Time{
		"2019-03-15T11:30:15":            second,
		"2019-03-15 11:30:15":            second,
		"2019-03-15T11:30:15.123":        second.Add(123 * time.Millisecond),
		"2019-03-15T11:30:15.5":          second.Add(500 * time.Millisecond),
		"2019-03-15T11:30:15.123456":     second.Add(123456 * time.Microsecond),
		"2019-03-15T11:30:15.1234569":    second.Add(123456 * time.Microsecond),
		"2019-03-15T11:30:15.9999999999": second.Add(999999 * time.Microsecond),
		"0001-01-01T00:00:00":            {},
		"9999-12-31T23:59:59":            time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
	} {
		if got, err := objects.ParseTime(s); err != nil || got != want {
			t.Errorf("ParseTime(%s) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", "yesterday", "2019-03-15", "11:30:15", "2019-03-15T11:30", "2019-03-15T11:30:15Z", "2019-03-15T11:30:15.5Z",
		"2019-03-15T11:30:15+00:00", "2019-03-15T11:30:15-0800", "2019-03-15T11:30:15 UTC", "2019-03-15T11:30:15.",
		"2019-02-30T00:00:00", "2019-03-15T24:00:00", "2019-03-15T23:59:60", "0000-00-00T00:00:00", "0000-01-01T00:00:00",
		"12019-03-15T11:30:15", " 2019-03-15T11:30:15", "2019-03-15T11:30:15\n", "1552649415",
	} {
		if got, err := objects.ParseTime(s); err == nil {
			t.Errorf("ParseTime(%q) = %v, want an error", s, got)
		}
	}
	_, err := objects.ParseTime(strings.Repeat("é", 100))
	if want := `want a time without zone like 2019-03-15T11:30:15, got "` + strings.Repeat("é", 30) + `…"`; err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{
		"2019-03-15T11:30:15", "2019-03-15 11:30:15.123456789", "2019-03-15T11:30:15Z", "2019-03-15T11:30:15+01:00",
		"0000-00-00 00:00:00", "0001-01-01T00:00:00", "", "2019-03-15T11:30:15,5", "9999-12-31T23:59:59.9999999",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parsed, err := objects.ParseTime(s)
		if err != nil {
			return
		}
		if year := parsed.Year(); year < 1 || year > 9999 || parsed.Nanosecond()%1000 != 0 || parsed.Location() != time.UTC {
			t.Fatalf("%q: %v", s, parsed)
		}
	})
}
