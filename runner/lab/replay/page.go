package replay

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"shardclient/runner/postgres"
)

const (
	// pageWidth is how wide a line of the replay may be, in columns.
	pageWidth = 100

	// maxTroubleLines is how many lines of one difference or error are shown; the beginning says
	// most.
	maxTroubleLines = 40
)

// Widths of the columns: heartbeat, sent, came. The last column, stored, takes the rest of the
// line.
const (
	beatColumn = 8
	sentColumn = 29
	cameColumn = 20
)

// titles say what happens in a recorded heartbeat. The key is its name without the number.
var titles = map[string]string{
	"first_heartbeat":                  "First heartbeat: the shard knows nothing yet; hosts and jobs arrive.",
	"idle_heartbeat":                   "Nothing has changed since: an idle heartbeat.",
	"upload_two_completed_jobs":        "The scheduler completed two jobs; they are uploaded.",
	"after_abort_on_master":            "Somebody aborted a job on the master; the shard is told.",
	"abort_still_open_sent_again":      "The scheduler has not ended the aborted job yet; the master repeats the order.",
	"upload_aborted_job":               "The scheduler ended the aborted job; it is uploaded like any other.",
	"incorrect_host_ids":               "A host was moved to another shard; here it becomes invalid.",
	"idle_after_incorrect":             "Idle: the shard no longer reports the host that it lost.",
	"idle_after_master_side_host_edit": "Somebody edited a host on the master; a known host is not sent again.",
}

// titleOf returns the title of a recorded heartbeat; without one, its name.
func titleOf(name string) string {
	_, plain, _ := strings.Cut(name, "_")
	if title, ok := titles[plain]; ok {
		return title
	}
	return strings.ReplaceAll(name, "_", " ")
}

// page prints the replay. It prints only ASCII, because some terminals and logs spoil anything
// else.
type page struct{ out io.Writer }

// linef prints one line, broken where it is too wide.
func (p *page) linef(format string, args ...any) {
	for _, line := range broken(strings.TrimRight(fmt.Sprintf(format, args...), " "), pageWidth) {
		_, _ = fmt.Fprintln(p.out, line) // when the output is gone, so are its readers
	}
}

func (p *page) introduction(beats int) {
	p.linef("The first %d heartbeats of a shard", beats)
	p.linef("")
	p.linef("A shard of an Autotest lab runs tests on its own hosts. In each heartbeat its shard-client tells " +
		"the master which valid hosts and unfinished jobs it knows and uploads finished jobs with their entries (one " +
		"for each host of a job). The answer brings what is new.")
	p.linef("Real here: shard-client, PostgreSQL, and the answers, recorded from a real master together with what " +
		"the original client sent and stored. Played: the master, by a server that repeats those answers, and the " +
		"scheduler, by the statements that it writes between heartbeats.")
	p.linef("")
}

// cast names the programs that take part, once they run.
func (p *page) cast(client, version string, server *postgres.Server) {
	p.linef("program     %s (%s)", nearby(client), strings.TrimSpace(version))
	p.linef("PostgreSQL  version %d, private, in %s until the replay ends",
		server.Version(), filepath.Dir(server.DataDir()))
	p.linef("database    %q, made just now by: shard-client migrate up", shardDatabase)
}

// tableHead names the command behind every heartbeat, then the columns.
func (p *page) tableHead(arguments []string) {
	p.linef("heartbeat   each is one run of:")
	p.linef("  shard-client %s", strings.Join(arguments, " "))
	p.linef("")
	p.row("beat", "sent to the master", "came from it", "the shard's database now")
	p.linef("%s", strings.Repeat("-", pageWidth))
}

// nearby shortens a path below the current directory to the relative one.
func nearby(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(relative) {
		return relative
	}
	return path
}

func (p *page) row(beat, sent, came, stored string) {
	p.linef("%-*s%-*s%-*s%s", beatColumn, beat, sentColumn, sent, cameColumn, came, stored)
}

// beat prints a heartbeat as one block of the table, and below it what differs.
func (p *page) beat(number, of int, b *playedBeat) {
	p.row(fmt.Sprintf("%d of %d", number, of), titleOf(b.name), "", "")
	if b.scheduler != (schedulerWork{}) {
		p.row("", b.scheduler.String(), "", "")
	}
	sent, came, stored := b.sent, b.came, b.stored
	p.row(fmt.Sprintf("%d ms", b.took.Milliseconds()), count(sent.knownHosts, "known host"), count(came.hosts, "host"),
		fmt.Sprintf("%s (%d invalid)", count(stored.hosts, "host"), stored.invalid))
	p.row("", count(sent.knownJobs, "known job"), count(came.jobs, "job"),
		fmt.Sprintf("%s (%d to upload)", count(stored.jobs, "job"), stored.pending))
	p.row("", sent.upload(), count(came.keyvals, "suite keyval"), fmt.Sprintf("%s (%d aborted): %d open, %d complete",
		count(stored.entries, "entry"), stored.aborted, stored.entries-stored.complete, stored.complete))
	p.row("", agreement("request", b.requestDiff), count(came.incorrect, "incorrect host"),
		agreement("database", b.databaseDiff))
	p.difference("request (- recorded, + sent)", b.requestDiff)
	p.difference("database (- recorded, + stored)", b.databaseDiff)
	p.difference("report of shard-client (- on the wire, + reported)", b.reportDiff)
	p.linef("")
}

func (w schedulerWork) String() string {
	text := "(before it, the scheduler completed " + count(w.completed, "entry")
	if w.statuses > 0 {
		text += " and set " + count(w.statuses, "host status")
	}
	return text + ": " + count(w.pending, "job") + " to upload)"
}

func (s sentCounts) upload() string {
	if s.jobs+s.entries == 0 {
		return "nothing to upload"
	}
	return count(s.jobs, "job") + " uploaded, " + count(s.entries, "entry")
}

func agreement(what, diff string) string {
	if diff == "" {
		return what + " as recorded"
	}
	return what + " DIFFERS, see below"
}

// count returns "no jobs", "1 job" or "2 jobs": a digit catches the eye where something happens.
func count(n int, thing string) string {
	plural := thing + "s"
	switch {
	case strings.HasSuffix(thing, "y"):
		plural = strings.TrimSuffix(thing, "y") + "ies"
	case strings.HasSuffix(thing, "s"):
		plural = thing + "es"
	}
	switch n {
	case 0:
		return "no " + plural
	case 1:
		return "1 " + thing
	}
	return strconv.Itoa(n) + " " + plural
}

func (p *page) difference(what, diff string) {
	if diff != "" {
		p.linef("  %s:", what)
		p.quote(diff)
	}
}

// trouble prints why the replay could not go on.
func (p *page) trouble(err error) {
	p.linef("")
	first, rest, _ := strings.Cut(err.Error(), "\n")
	p.linef("error: %s", first)
	p.quote(rest)
	p.linef("")
}

// quote prints the text of somebody else, indented, and cut off after maxTroubleLines.
func (p *page) quote(text string) {
	const indent = "    "
	// go-cmp mixes in non-breaking spaces, to keep programs from relying on its format.
	text = strings.NewReplacer("\t", "  ", "\u00a0", " ", "\r", "").Replace(strings.TrimRight(text, "\n"))
	if text == "" {
		return
	}
	lines := broken(text, pageWidth-len(indent))
	for _, line := range lines[:min(len(lines), maxTroubleLines)] {
		p.linef("%s", indent+line)
	}
	if more := len(lines) - maxTroubleLines; more > 0 {
		p.linef("%s... and %s", indent, count(more, "more line"))
	}
}

// broken splits text into lines of at most width characters, between words where possible.
func broken(text string, width int) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		rest := []rune(line)
		for len(rest) > width {
			end := width
			for end > width/2 && rest[end] != ' ' {
				end--
			}
			if rest[end] != ' ' {
				end = width
			}
			lines = append(lines, strings.TrimRight(string(rest[:end]), " "))
			rest = []rune(strings.TrimLeft(string(rest[end:]), " "))
		}
		lines = append(lines, string(rest))
	}
	return lines
}
