package afe

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"testing/iotest"

	"shardclient/runner/answer"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"
)

// An answer means the same whether it fits into memory or goes into a file, whether it comes at
// once, in pieces or byte by byte, and however little of a string is looked at to find the
// sections.
func TestAnswerHoweverItComes(t *testing.T) {
	bodies := append(recordedBodies(t), hostileBodies()...)
	defer func(memory, token int) { answer.MaxInMemory, answer.MaxToken = memory, token }(answer.MaxInMemory, answer.MaxToken)
	for _, body := range bodies { // a section's name is no longer than 24 bytes
		answer.MaxInMemory, answer.MaxToken = 2<<20, 64<<10
		want := described(bytes.NewReader(body))
		for token, slowly := range map[int]func(io.Reader) io.Reader{24: iotest.OneByteReader, 64 << 10: iotest.HalfReader} {
			answer.MaxInMemory, answer.MaxToken = 0, token
			got := described(slowly(bytes.NewReader(body)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%.200q in a file, tokens of %d bytes (-at once +so):\n%s", body, token, diff)
			}
		}
	}
}

func described(body io.Reader) string {
	r, err := receive(body, -1, "")
	if err != nil {
		return err.Error()
	}
	defer r.Close()
	w := wholeOf(r)
	text, err := json.Marshal(w, wireTime, json.Deterministic(true), json.WithMarshalers(json.JoinMarshalers(
		json.MarshalFunc(func(err error) ([]byte, error) { return json.Marshal(fmt.Sprint(err), answer.Lenient) }),
		json.MarshalFunc(func(raw jsontext.Value) ([]byte, error) { return json.Marshal(fmt.Sprintf("%q", raw)) }),
	)))
	if err != nil {
		panic(err)
	}
	return string(text)
}
