package replay

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net/http"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"shardclient/runner/binaries"
)

// whole plays every difference; the suite plays one case of each kind. A play costs a PostgreSQL of
// its own and eleven starts of shard-client, one after the other.
var whole = flag.Bool("whole", false, "replay a conversation for every kind of difference, not for one")

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(binaries.WithBinaries(m))
}

// recorded returns a conversation that may be tampered with.
func recorded(t *testing.T) []Exchange {
	t.Helper()
	exchanges, err := Conversation(recordedProtocol)
	if err != nil {
		t.Fatal(err)
	}
	return exchanges
}

// show runs a replay and returns what it printed, and the last line of that.
func show(ctx context.Context, t *testing.T, d Replay) (text, verdict string, err error) {
	t.Helper()
	var out bytes.Buffer
	if d.Out == nil {
		d.Out = &out
	}
	err = d.Run(ctx)
	text = out.String()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for _, line := range lines {
		if width := utf8.RuneCountInString(line); width > pageWidth {
			t.Errorf("%d columns wide, want at most %d: %s", width, pageWidth, line)
		}
	}
	return text, lines[len(lines)-1], err
}

func TestReplay(t *testing.T) {
	// What steers a shard on this machine, and would break the replay if it got through to
	// shard-client.
	for _, name := range []string{"SHARD_CLIENT_PROTOCOL", "SHARD_CLIENT_MAX_UPLOAD_JOBS", "PGHOST", "PGDATABASE"} {
		t.Setenv(name, "nonsense")
	}
	t.Setenv("AUTOTEST_SCHEDULER_LOG_DIR", "/no/such/directory")
	client := binaries.ShardClient(t)
	for name, play := range map[string]func(*testing.T, string){
		"agrees with the recording":   replayAgrees,
		"shows differences":           replayShowsDifferences,
		"says that the client failed": replaySaysThatTheClientFailed,
		"can be stopped":              replayStops,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, client)
		})
	}
}

func replayAgrees(t *testing.T, client string) {
	text, verdict, err := show(t.Context(), t, Replay{Client: client})
	const want = "replay: 9 heartbeats, every request and every stored row as recorded: database and recording agree"
	if err != nil || verdict != want {
		t.Errorf("error %v, verdict %q\n%s", err, verdict, text)
	}
	// The counts of the recordings, as a reader of their files would count.
	for _, cells := range []string{
		"no known jobs 4 jobs 4 jobs (0 to upload)",
		"2 jobs uploaded, 2 entries no suite keyvals 5 entries (0 aborted): 3 open, 2 complete",
		"(before it, the scheduler completed 2 entries and set 2 host statuses: 2 jobs to upload)",
		"nothing to upload 3 suite keyvals 5 entries (2 aborted): 3 open, 2 complete",
		"1 job uploaded, 2 entries no suite keyvals 5 entries (2 aborted): 1 open, 4 complete",
		"request as recorded 1 incorrect host database as recorded",
		"2 known hosts no hosts 3 hosts (1 invalid)",
	} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), cells) {
			t.Errorf("missing: %s\n%s", cells, text)
		}
	}
}

// difference is what a replay has to notice.
type difference struct {
	name   string
	tamper func([]Exchange)
	want   []string
}

func inRow(e []Exchange) { e[1].After.Jobs[0].Owner = "mallory" }

func inRequest(e []Exchange) {
	e[2].Request = bytes.ReplaceAll(e[2].Request, []byte("Completed"), []byte("Failed"))
}

func inAnswer(e []Exchange) {
	e[0].Response.Body = bytes.ReplaceAll(e[0].Response.Body, []byte("row1-host3"), []byte("row1-host9"))
}

func setAside(e []Exchange) {
	e[0].Response.Body = bytes.Replace(e[0].Response.Body, []byte(`"priority": 20`), []byte(`"priority": "high"`), 1)
}

// differences are those that this run plays. A row or a request differs at its own heartbeat only;
// what differs at the first answer differs from then on.
func differences() []difference {
	all := []difference{
		{
			"a recorded row and a recorded request", func(e []Exchange) { inRow(e); inRequest(e) },
			[]string{"database DIFFERS", "mallory", "request DIFFERS", "replay: FAILED: 2 of 9 heartbeats differ from the recording (see above)"},
		},
		{"a recorded row", inRow, []string{"database DIFFERS", "mallory", "replay: FAILED: 1 of 9 heartbeats differ"}},
		{"a recorded request", inRequest, []string{"request DIFFERS", "replay: FAILED: 1 of 9 heartbeats differ"}},
		{"an answer", inAnswer, []string{"row1-host9", "replay: FAILED: 9 of 9 heartbeats differ"}},
		{"an object that is set aside", setAside, []string{"report of shard-client", "quarantine"}},
	}
	if *whole {
		return all
	}
	return all[:1]
}

func replayShowsDifferences(t *testing.T, client string) {
	for _, d := range differences() {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			exchanges := recorded(t)
			d.tamper(exchanges)
			text, verdict, err := show(t.Context(), t, Replay{Client: client, exchanges: exchanges})
			if !errors.Is(err, ErrFailed) || !strings.HasPrefix(verdict, "replay: FAILED: ") {
				t.Errorf("error %v, verdict %q; want a failed replay", err, verdict)
			}
			for _, want := range d.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not told:\n%s", want, text)
				}
			}
		})
	}
}

func replaySaysThatTheClientFailed(t *testing.T, client string) {
	exchanges := recorded(t)
	exchanges[1].Response = &Answer{Status: http.StatusInternalServerError, ContentType: "text/html", Body: []byte("<h1>oops</h1>")}
	text, verdict, err := show(t.Context(), t, Replay{Client: client, exchanges: exchanges})
	if !errors.Is(err, ErrFailed) || verdict != "replay: FAILED: it could not go on after 1 of 9 heartbeats (see above)" {
		t.Errorf("error %v, verdict %q", err, verdict)
	}
	if !strings.Contains(text, "run shard-client once: exit status 1") || !strings.Contains(text, "oops") {
		t.Errorf("the client's words are missing:\n%s", text)
	}
}

// canceller cancels a context once something was written.
type canceller struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (c *canceller) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(c.at)) {
		c.cancel()
	}
	return c.Buffer.Write(b)
}

func replayStops(t *testing.T, client string) {
	stops := map[string]string{"2 of 9": "replay: FAILED: stopped after 2 of 9 heartbeats\n"}
	if *whole {
		stops["The first"] = "replay: FAILED: stopped after 0 of 9 heartbeats\n"
	}
	for at, want := range stops {
		ctx, cancel := context.WithCancel(t.Context())
		out := &canceller{at: at, cancel: cancel}
		_, _, err := show(ctx, t, Replay{Client: client, Out: out})
		if !errors.Is(err, context.Canceled) || !strings.HasSuffix(out.String(), want) {
			t.Errorf("error %v, want context.Canceled and %q at the end of:\n%s", err, want, out)
		}
	}
}

func TestReplayWithoutClientTellsWhy(t *testing.T) {
	t.Parallel()
	text, verdict, err := show(t.Context(), t, Replay{Client: "/no/such/shard-client"})
	if !errors.Is(err, ErrFailed) || !strings.HasPrefix(verdict, "replay: FAILED: it could not go on after 0 of 9") ||
		!strings.Contains(text, "/no/such/shard-client: no such file") {
		t.Errorf("error %v, verdict %q\n%s", err, verdict, text)
	}
}

func TestReplayHasATitleForEveryRecordedHeartbeat(t *testing.T) {
	t.Parallel()
	for _, e := range recorded(t) {
		if title := titleOf(e.Name); strings.HasPrefix(title, "0") || len(title) > pageWidth-beatColumn {
			t.Errorf("%s: title %q", e.Name, title)
		}
	}
	if got := titleOf("10_some_news"); got != "10 some news" {
		t.Errorf("title %q of a heartbeat without one", got)
	}
}

func TestBrokenLinesFit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                  {""},
		"fits here.":        {"fits here."},
		"between the words": {"between", "the words"},
		"0123456789abcdef":  {"0123456789", "abcdef"},
		"ü123456789 x":      {"ü123456789", "x"},
		"two\nlines":        {"two", "lines"},
	} {
		if got := broken(text, 10); !slices.Equal(got, want) {
			t.Errorf("%q broken into %q, want %q", text, got, want)
		}
	}
}

func TestQuoteIsBounded(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	(&page{out: &out}).quote(strings.Repeat("a line\n", maxTroubleLines+3))
	if lines := strings.Count(out.String(), "\n"); lines != maxTroubleLines+1 || !strings.HasSuffix(out.String(), "... and 3 more lines\n") {
		t.Errorf("%d lines:\n%s", lines, &out)
	}
}
