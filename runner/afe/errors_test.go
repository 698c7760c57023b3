package afe

import (
	"errors"
	"strings"
	"testing"
)

// The texts that an operator reads. U stands for the address that was called.
func TestErrorText(t *testing.T) {
	page := "<html>\n<body>\n\t" + strings.Repeat("x", 1000)
	tests := []struct {
		name   string
		status int
		body   string
		class  Class
		want   string
	}{
		{"RPC", 200, `{"error": {"name": "DoesNotExist", "message": "Shard matching\n query", "traceback": "Traceback"}, "result": null}`, RPC,
			`heartbeat: master U refused it: DoesNotExist: Shard matching query`},
		{"RPC with a result", 200, `{"error": {"name": "E", "message": "m"}, "result": {}}`, RPC, `heartbeat: master U refused it: E: m`},
		{"long RPC", 200, `{"error": {"name": "` + strings.Repeat("N", 100) + `", "message": "` + strings.Repeat("m", 5000) + `"}}`, RPC,
			`heartbeat: master U refused it: ` + strings.Repeat("N", 60) + `...: ` + strings.Repeat("m", 1000) + `...`},
		{"error is a string", 200, `{"error": "boom"}`, RPC, `heartbeat: master U refused it: unnamed error: "boom"`},
		{"error is a number", 200, `{"error": -32700, "result": null}`, RPC, `heartbeat: master U refused it: unnamed error: -32700`},
		{"error is true", 200, `{"error": true}`, RPC, `heartbeat: master U refused it: unnamed error: true`},
		{"error is a list", 200, `{"error": ["a", 1]}`, RPC, `heartbeat: master U refused it: unnamed error: ["a", 1]`},
		{"error is empty", 200, `{"error": {}}`, RPC, `heartbeat: master U refused it: unnamed error: {}`},
		{"error of JSON-RPC 2", 200, `{"error": {"code": -32601, "message": "no such method"}}`, RPC,
			`heartbeat: master U refused it: unnamed error: {"code": -32601, "message": "no such method"}`},
		{"name is a number", 200, `{"error": {"name": 5}}`, RPC, `heartbeat: master U refused it: unnamed error: {"name": 5}`},
		{"500", 500, page, HTTPStatus, `heartbeat: master U answered HTTP 500: <html> <body> ` + strings.Repeat("x", 512-15)},
		{"404", 404, "not found", HTTPStatus, `heartbeat: master U answered HTTP 404: not found`},
		{"301", 301, "", HTTPStatus,
			`heartbeat: master U answered HTTP 301 to "" (redirects are not followed): (empty)`},
		{"HTML", 200, page, Undecodable,
			`heartbeat: answer of master U is not JSON-RPC: invalid character '<' at start of value: <html> <body> ` +
				strings.Repeat("x", 512-15)},
		{"empty", 200, "", Undecodable, `heartbeat: answer of master U is not JSON-RPC: nothing came: (empty)`},
		{"large", 200, strings.Repeat(" ", 1<<20+1), TooLarge,
			`heartbeat: master U: answer exceeds 1048576 bytes (--max-response-bytes)`},
	}
	for _, tt := range tests {
		m := newMaster(t, says(tt.status, tt.body))
		failed := failure(t, newClient(t, m.URL))
		want := strings.Replace(tt.want, "U", m.URL+"/afe/server/noauth/rpc/?method=shard_heartbeat", 1)
		if failed.Class != tt.class || failed.Error() != want {
			t.Errorf("%s: %s\ngot  %v\nwant %s", tt.name, failed.Class, failed, want)
		}
		if failed.Unsure != (tt.class != RPC) {
			t.Errorf("%s: unsure %t", tt.name, failed.Unsure)
		}
		if len(failed.Body) > 512 || tt.class == HTTPStatus && failed.Status != tt.status {
			t.Errorf("%s: status %d, %d bytes of the body", tt.name, failed.Status, len(failed.Body))
		}
	}
}

// The hand-made requests of the recordings got errors, and so do we.
func TestRecordedErrors(t *testing.T) {
	want := map[string]string{
		"20_error_unknown_shard":       "DoesNotExist: Shard matching query does not exist. Lookup parameters were {'hostname': 'no-such-shard'}",
		"24_error_unknown_method":      "ServiceMethodNotFound: no_such_rpc",
		"25_error_missing_argument":    "TypeError: shard_heartbeat() takes at least 1 argument (0 given)",
		"26_error_unexpected_argument": "TypeError: shard_heartbeat() got an unexpected keyword argument 'extra'",
	}
	for name, raw := range recorded(t, "2*.response.http") {
		status, body := recordedResponse(t, raw)
		m := newMaster(t, says(status, string(body)))
		failed := failure(t, newClient(t, m.URL, speaking(ProtocolAuto)))
		text, isRPC := want[strings.TrimSuffix(name[5:], ".response.http")]
		var rpc *RPCError
		switch {
		case !isRPC && (failed.Class != HTTPStatus || failed.Status != 500):
			t.Errorf("%s: %v, want HTTP 500", name, failed)
		case isRPC && (!errors.As(failed, &rpc) || rpc.Error() != text || !strings.HasPrefix(rpc.Traceback, "Traceback")):
			t.Errorf("%s: %v, want %s", name, failed, text)
		}
		if n := len(m.sent()); n != 1 {
			t.Errorf("%s: %d requests, want 1", name, n)
		}
	}
}

func TestNoCredentialsInErrors(t *testing.T) {
	m := newMaster(t, hangsUp)
	failed := failure(t, newClient(t, strings.Replace(m.URL, "//", "//admin:secret@", 1)))
	if text := failed.Error(); strings.Contains(text, "secret") {
		t.Error(text)
	}
}
