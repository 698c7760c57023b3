package afe

import (
	"net/http"
	"strings"
	"testing"
)

func TestProtocolAuto(t *testing.T) {
	rpcError := func(name, message string) string {
		return `{"result": null, "error": {"name": "` + name + `", "message": "` + message + `", "traceback": ""}, "id": "jsonrpc"}`
	}
	tests := []struct {
		name     string
		protocol Protocol
		answers  []string
		beats    int
		versions string // of all requests
		ok       string // of each beat
		now      Protocol
	}{
		{"2019 master", ProtocolAuto, []string{idle}, 2, "2019 2019", "++", Protocol2019},
		{"2015 master, remembered", ProtocolAuto, []string{unknownStatuses, idle}, 3, "2019 2015 2015 2015", "+++", Protocol2015},
		{"upgraded master", ProtocolAuto, []string{unknownStatuses, idle, noStatuses, idle}, 3,
			"2019 2015 2015 2019 2019", "+++", Protocol2019},
		{"of two minds: one switch a beat", ProtocolAuto, []string{unknownStatuses, noStatuses, noStatuses, unknownStatuses}, 2,
			"2019 2015 2015 2019", "--", Protocol2019},
		{"another argument", ProtocolAuto,
			[]string{rpcError("TypeError", "shard_heartbeat() got an unexpected keyword argument 'hqes'")}, 2,
			"2019 2019", "--", Protocol2019},
		{"known_host_statuses in another error", ProtocolAuto,
			[]string{rpcError("ValueError", "known_host_statuses")}, 2,
			"2019 2019", "--", Protocol2019},
		{"AssertionError to 2019", ProtocolAuto, []string{noStatuses}, 2, "2019 2019", "--", Protocol2019},
		{"TypeError to 2015", ProtocolAuto, []string{unknownStatuses}, 2, "2019 2015 2015", "--", Protocol2015},
		{"pinned to 2019", Protocol2019, []string{unknownStatuses}, 2, "2019 2019", "--", Protocol2019},
		{"pinned to 2015", Protocol2015, []string{noStatuses}, 2, "2015 2015", "--", Protocol2015},
		{"no JSON", ProtocolAuto, []string{"TypeError: known_host_statuses"}, 1, "2019", "-", Protocol2019},
	}
	for _, tt := range tests {
		var answers []http.HandlerFunc
		for _, body := range tt.answers {
			answers = append(answers, says(200, body))
		}
		m := newMaster(t, answers...)
		c := newClient(t, m.URL, speaking(tt.protocol))
		var ok strings.Builder
		for range tt.beats {
			if r, err := c.Heartbeat(t.Context(), packetOf("s")); err != nil {
				ok.WriteByte('-')
			} else if ok.WriteByte('+'); !r.Sure || r.Protocol != c.Protocol() {
				t.Errorf("%s: sure %t, protocol %s of %s: the refused packet was answered", tt.name, r.Sure, r.Protocol, c.Protocol())
			}
		}
		if got := m.versions(); got != tt.versions || ok.String() != tt.ok || c.Protocol() != tt.now {
			t.Errorf("%s: sent %s, %s, now %s; want %s, %s, now %s", tt.name, got, &ok, c.Protocol(), tt.versions, tt.ok, tt.now)
		}
	}
}

// A copy of the first packet may be stored late although the second was the only one of its
// version: its answer is not the last word (docs/promises.md, "late request").
func TestProtocolSwitchForgetsNoRetry(t *testing.T) {
	rpcError := says(200, `{"error": {"name": "DoesNotExist", "message": "m"}}`)
	for name, answers := range map[string][]http.HandlerFunc{
		"retry before the switch": {says(502, ""), says(200, unknownStatuses), says(200, idle)},
		"retry after the switch":  {says(200, unknownStatuses), says(502, ""), says(200, idle)},
	} {
		if r := success(t, newClient(t, newMaster(t, answers...).URL, speaking(ProtocolAuto))); r.Sure {
			t.Errorf("%s: sure", name)
		}
		answers[2] = rpcError
		if failed := failure(t, newClient(t, newMaster(t, answers...).URL, speaking(ProtocolAuto))); failed.Class != RPC || !failed.Unsure {
			t.Errorf("%s: %v, unsure %t", name, failed, failed.Unsure)
		}
	}
	// Both requests were answered: nothing is under way.
	answers := []http.HandlerFunc{says(200, unknownStatuses), rpcError}
	if failed := failure(t, newClient(t, newMaster(t, answers...).URL, speaking(ProtocolAuto))); failed.Unsure {
		t.Errorf("%v: unsure", failed)
	}
}
