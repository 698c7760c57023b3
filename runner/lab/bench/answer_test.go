package bench

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// An answer of 1,000 jobs is the recorded one, so that what is measured is what a master sends.
func TestAnswerIsTheRecordedOne(t *testing.T) {
	t.Parallel()
	recorded, err := os.ReadFile("../replay/testdata/wire/2019/large_first_heartbeat.response.json")
	if err != nil {
		t.Fatal(err)
	}
	made := makeRows(1000)
	if made.count() != 7171 {
		t.Errorf("%d rows, want 7171", made.count())
	}
	if diff := cmp.Diff(decoded(t, recorded), decoded(t, made.answer())); diff != "" {
		t.Errorf("-recorded +made:\n%.4000s", diff)
	}
	if got, want := len(made.answer()), len(recorded); got < want*99/100 || got > want*101/100 {
		t.Errorf("%d bytes, the recorded answer has %d", got, want)
	}
}

func decoded(t *testing.T, body []byte) (value any) {
	t.Helper()
	if err := json.Unmarshal(body, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAnswerIsTheSameEveryTime(t *testing.T) {
	t.Parallel()
	first, second := makeRows(777), makeRows(777)
	if diff := cmp.Diff(first.entries, second.entries); diff != "" {
		t.Error(diff)
	}
	if !bytes.Equal(first.answer(), second.answer()) {
		t.Error("two answers of 777 jobs differ")
	}
	if small := makeRows(10); !cmp.Equal(small.jobs, first.jobs[:10]) || !cmp.Equal(small.entries, first.entries[:len(small.entries)]) {
		t.Error("the first ten of 777 jobs differ from an answer of ten")
	}
}
