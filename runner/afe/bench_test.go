package afe

import (
	"os"
	"testing"
)

// A shard's first heartbeat: 100 hosts, 1,000 jobs, 1,250 entries, 3,000 keyvals. First the pass
// that finds the objects, then each object once.

func BenchmarkParseLarge(b *testing.B) {
	body := largeBody(b)
	for b.Loop() {
		r, err := Parse(body)
		if err != nil {
			b.Fatal(err)
		}
		r.Close()
	}
}

func BenchmarkReadLarge(b *testing.B) {
	r, err := Parse(largeBody(b))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		readAll(b, &r.Hosts)
		readAll(b, &r.Jobs)
		readAll(b, &r.SuiteKeyvals)
	}
}

func largeBody(b *testing.B) []byte {
	body, err := os.ReadFile(largeResponse)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	return body
}

func readAll[T any](b *testing.B, s *Section[T]) {
	for i := range s.Len() {
		if object, err := s.Read(i); err != nil || object.Err != nil {
			b.Fatal(err, object.Err)
		}
	}
}
