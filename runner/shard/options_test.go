package shard_test

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/shard"
)

// A field that a beat would only panic at, or hang at, is named before there is a client.
func TestClientRefusesWhatWouldFailLater(t *testing.T) {
	t.Parallel()
	pool, err := pgxpool.New(t.Context(), "postgres://127.0.0.1:1/none") // it connects to nobody
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	if _, err := shard.NewClient(pool, nobody{}, options()); err != nil {
		t.Errorf("good options: %v", err)
	}
	if _, err := shard.NewClient(nil, nobody{}, options()); err == nil || !strings.Contains(err.Error(), "pool is nil") {
		t.Errorf("no pool: %v", err)
	}
	if _, err := shard.NewClient(pool, nil, options()); err == nil || !strings.Contains(err.Error(), "master is nil") {
		t.Errorf("no master: %v", err)
	}
	for want, spoil := range map[string]func(*shard.Options){
		`shard: Options.ShardHostname is "": want `:            func(o *shard.Options) { o.ShardHostname = "" },
		`shard: Options.Who is "": want `:                      func(o *shard.Options) { o.Who = "" },
		`shard: Options.RPCTimeout is 0s: want more than 0`:    func(o *shard.Options) { o.RPCTimeout = 0 },
		`shard: Options.RPCTimeout is -1s: want more than 0`:   func(o *shard.Options) { o.RPCTimeout = -time.Second },
		`shard: Options.StopTimeout is -1s: want 0 or more`:    func(o *shard.Options) { o.StopTimeout = -time.Second },
		`shard: Options.LockTimeout is 0s: want more than 0`:   func(o *shard.Options) { o.LockTimeout = 0 },
		`shard: Options.BeatTimeout is -1s: want 0 or more`:    func(o *shard.Options) { o.BeatTimeout = -time.Second },
		`shard: Options.FinishTimeout is -1s: want 0 or more`:  func(o *shard.Options) { o.FinishTimeout = -time.Second },
		`shard: Options.MaxUploadJobs is 0: want at least 1`:   func(o *shard.Options) { o.MaxUploadJobs = 0 },
		`shard: Options.MaxUploadJobs is -1: want at least 1`:  func(o *shard.Options) { o.MaxUploadJobs = -1 },
		`shard: Options.MaxUploadBytes is 0: want at least 1`:  func(o *shard.Options) { o.MaxUploadBytes = 0 },
		`shard: Options.MaxUploadBytes is -1: want at least 1`: func(o *shard.Options) { o.MaxUploadBytes = -1 },
		`shard: Options.ApplyChunk is 0: want at least 1`:      func(o *shard.Options) { o.ApplyChunk = 0 },
		`shard: Options.ApplyChunk is -1: want at least 1`:     func(o *shard.Options) { o.ApplyChunk = -1 },
		`shard: Options.HistoryKeep is 0: want at least 1`:     func(o *shard.Options) { o.HistoryKeep = 0 },
		`shard: Options.HistoryKeep is -1: want at least 1`:    func(o *shard.Options) { o.HistoryKeep = -1 },
		`shard: Options.QuarantineKeep is 0: want at least 1`:  func(o *shard.Options) { o.QuarantineKeep = 0 },
		`shard: Options.QuarantineKeep is -1: want at least 1`: func(o *shard.Options) { o.QuarantineKeep = -1 },
	} {
		o := options()
		spoil(&o)
		if client, err := shard.NewClient(pool, nobody{}, o); client != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
