package afe

import (
	"os"
	"testing"
)

// A shard's first heartbeat: 100 hosts, 1,000 jobs, 1,250 entries, 3,000 keyvals.
func BenchmarkDecodeLarge(b *testing.B) {
	body, err := os.ReadFile(largeResponse)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
