package master_test

import (
	"strings"
	"testing"

	"shardclient/runner/afe"
	"shardclient/runner/master"
	"shardclient/runner/pgtest"
)

// A field that a heartbeat would only fail at is named before there is a master.
func TestMasterRefusesWhatWouldFailLater(t *testing.T) {
	pool := pgtest.Pool(t)
	if _, err := master.New(nil, master.Options{Protocol: afe.Protocol2019}); err == nil || !strings.Contains(err.Error(), "pool is nil") {
		t.Errorf("no pool: %v", err)
	}
	for want, o := range map[string]master.Options{
		`Options.Protocol is "": want 2015 or 2019`:     {},
		`Options.Protocol is "auto": want 2015 or 2019`: {Protocol: afe.ProtocolAuto},
		`Options.MaxRequestBytes is -1: want 0 or more`: {Protocol: afe.Protocol2019, MaxRequestBytes: -1},
	} {
		if handler, err := master.New(pool, o); handler != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, connections := range []int32{0, -1} {
		if _, err := master.Connect(t.Context(), pool.Config().ConnString(), connections, nil); err == nil || !strings.Contains(err.Error(), "maxConnections is") {
			t.Errorf("%d connections: %v", connections, err)
		}
	}
}
