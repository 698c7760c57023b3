package autotest_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
)

var update = flag.Bool("update", false, "ask python2 again for testdata/truth.json")

// question is what testdata/truth.py reads.
type question struct {
	Files []string `json:"files"`
	Ask   []string `json:"ask"`
}

// reply is what it writes.
type reply struct{ Value, Error *string }

func (r reply) text() string {
	switch {
	case r.Error != nil:
		return broken
	case r.Value != nil:
		return *r.Value
	}
	return missing
}

// TestTruth compares the table, and files made by chance, with what ConfigParser of Python 2 said.
func TestTruth(t *testing.T) {
	t.Parallel()
	var asked []question
	for _, row := range table {
		asked = append(asked, question{row.files, []string{row.ask}})
	}
	for seed := range uint64(400) {
		asked = append(asked, byChance(rand.New(rand.NewPCG(seed, 0))))
	}
	if *update {
		askPython(t, asked)
	}
	var truth [][]reply
	recorded, err := os.ReadFile("testdata/truth.json")
	if err == nil {
		err = json.Unmarshal(recorded, &truth)
	}
	if err != nil || len(truth) != len(asked) {
		t.Fatalf("%d answers to %d questions (%v): go test ./runner/autotest -update needs a python2", len(truth), len(asked), err)
	}
	values := 0
	for i, one := range asked {
		for j, q := range one.Ask {
			want := truth[i][j].text()
			if i < len(table) && want != table[i].want {
				t.Errorf("%s: the table has %q, Python %q", table[i].name, table[i].want, want)
			}
			if want != missing && want != broken {
				values++
			}
			if got := answer(one.Files, q); got != want && !lenient(one.Files, want) {
				t.Errorf("%q of %q is %q, in Python %q", q, one.Files, got, want)
			}
		}
	}
	if values < len(asked) {
		t.Errorf("only %d of %d questions have a value", values, len(asked))
	}
}

// lenient reports whether another key than the one that is asked for, of a file that overrides,
// ends Autotest: here it harms only itself.
func lenient(files []string, want string) bool {
	for n := 2; want == broken && n <= len(files); n++ {
		for _, key := range []string{"a", "b", "c", "d", "k"} {
			if answer(files[:n], "S "+key) == broken || answer(files[:n], "T "+key) == broken {
				return true
			}
		}
	}
	return false
}

func askPython(t *testing.T, asked []question) {
	in, err := json.Marshal(asked)
	if err != nil {
		t.Fatal(err)
	}
	python := exec.Command("python2", "testdata/truth.py")
	python.Stdin, python.Stderr = bytes.NewReader(in), os.Stderr
	out, err := python.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("testdata/truth.json", append(out, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// byChance makes files out of the pieces that have a meaning.
func byChance(r *rand.Rand) question {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	value := func() (text string) {
		for range 1 + r.IntN(3) {
			text += pick("v", "1", " ", ";", " ;", "#", " #", `""`, "'", "%%", "%(a)s", "%(B)s", "%(c)s", "%(d)s", "=", ":", "\t", "\\", "[S]", "w", "x")
		}
		return text
	}
	q := question{Ask: []string{"S a", "S b", "S c", "T a", "T B"}}
	for range 1 + r.IntN(3) {
		text := "[S]\n"
		for range 3 + r.IntN(12) {
			switch r.IntN(12) {
			case 0:
				text += pick("[S]", "[T]", "[DEFAULT]", "[S] x", "[T]y]") + pick("\n", "\r\n")
			case 1:
				text += pick("#", ";", "rem ", "REM\t", "rem", "\n") + value() + ":x\n"
			case 2:
				text += pick("k: v\n", "") + pick(" ", "\t") + value() + "\n"
			default:
				text += pick("a", "A", "b", "B ", "c", "d") + pick(":", "=", " = ", ": ") + value() + pick("\n", "\n", "\n", " \n", "\r\n")
			}
		}
		q.Files = append(q.Files, text)
	}
	return q
}
