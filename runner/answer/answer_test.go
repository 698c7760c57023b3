package answer

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An answer that consists of values that are no JSON does not grow without a bound.
func TestP9MendingIsBounded(t *testing.T) {
	for n, ok := range map[int]bool{maxMends: true, maxMends + 1: false} {
		body := `{"result": {"hosts": [N` + strings.Repeat(",N", n-1) + `]}}`
		a, err := Read(strings.NewReader(body), 0, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if more := a.body.size - int64(len(body)); a.Mended != ok || ok && more != int64(4*n) || !ok && more != 0 {
			t.Errorf("%d words: mended %t, %d bytes more", n, a.Mended, more)
		}
		a.Close()
	}
}

// The file of a long answer has no name, so nothing is left of it whatever ends the process. A disk
// that fails is told with the directory and what to do.
func TestSpool(t *testing.T) {
	dir := t.TempDir()
	body := `{"result": "` + strings.Repeat("h", MaxInMemory) + `"}`
	a, err := Read(strings.NewReader(body), 0, dir)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) != 0 || a.body.file == nil {
		t.Errorf("%v in the directory, %v; file %v", left, err, a.body.file)
	}
	if text, err := a.Text(a.Result.Place, a.Result.Size()); err != nil || len(text) != MaxInMemory+2 {
		t.Errorf("%d bytes of result, %v", len(text), err)
	}
	a.Close()
	if _, err := a.Text(a.Result.Place, 1); err == nil {
		t.Error("an answer can be read after it was closed")
	}

	gone := filepath.Join(dir, "gone")
	_, err = Read(strings.NewReader(body), 0, gone)
	if spool := new(SpoolError); !errors.As(err, &spool) || !errors.Is(err, os.ErrNotExist) || spool.Dir != gone ||
		!strings.Contains(err.Error(), "make room in "+gone+", or name another directory with --spool-dir") {
		t.Errorf("%v; want what is wrong with %s", err, gone)
	}
	a, err = Read(strings.NewReader(`{"result": 5}`), 12, gone)
	if err != nil {
		t.Fatalf("a short answer needs the disk: %v", err)
	}
	a.Close()
}

// What is passed on is as long as what came, brackets and all that is short stay as they are, and
// what is long ends early (P9).
func TestFrame(t *testing.T) {
	defer func(limit int) { MaxToken = limit }(MaxToken)
	MaxToken = 8
	for text, want := range map[string]string{
		`{"a": [1, "12345678", true]}`: `{"a": [1, "12345678", true]}`,
		`["1234567890"]`:               `["12345678"  ]`,
		`["1234567890abc", "x"]`:       `["12345678"     , "x"]`,
		`["\\\"\\\"\\\"\\\"x", 1]`:     `["\\\"\\\""         , 1]`,
		`["\u00e9\u00e9\u00e9"]`:       `["\u00e9\u00e9"      ]`,
		`[1234567890123, 5]`:           `[12345678     , 5]`,
		`[1.2345678e12]`:               `[1.234567    ]`,
	} {
		passed, err := io.ReadAll(Framed(bytes.NewBufferString(text)))
		if err != nil || len(passed) != len(text) || string(passed) != want {
			t.Errorf("%s\ngot  %s\nwant %s (%v)", text, passed, want, err)
		}
	}
}
