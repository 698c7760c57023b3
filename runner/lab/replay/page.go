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
	// replayWidth is the widest line of the replay, in columns.
	replayWidth = 100

	// maxTroubleLines bounds one difference or error text: its beginning tells most.
	maxTroubleLines = 40
)

// Columns of the table: heartbeat, sent, came, stored. The last takes the rest of the line.
const (
	beatColumn = 8
	sentColumn = 29
	cameColumn = 20
)

// replayTitles say in plain English what happens in a recorded heartbeat, by its name without the number.
var replayTitles = map[string]string{
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

// replayTitle falls back on the name itself.
func replayTitle(name string) string {
	_, plain, _ := strings.Cut(name, "_")
	if title, ok := replayTitles[plain]; ok {
		return title
	}
	return strings.ReplaceAll(name, "_", " ")
}

// replayPage prints. It is all ASCII: there are terminals and logs that spoil anything else.
type replayPage struct{ out io.Writer }

// linef prints one line, broken where it is too wide. An output that cannot be written to has nobody to tell.
func (p *replayPage) linef(format string, args ...any) {
	for _, line := range broken(strings.TrimRight(fmt.Sprintf(format, args...), " "), replayWidth) {
		fmt.Fprintln(p.out, line)
	}
}

func (p *replayPage) introduction(beats int) {
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

// cast names what takes part, once that is running.
func (p *replayPage) cast(client, version string, server *postgres.Server) {
	p.linef("program     %s (%s)", nearby(client), strings.TrimSpace(version))
	p.linef("PostgreSQL  version %d, private, in %s until the replay ends", server.Version(), filepath.Dir(server.DataDir()))
	p.linef("database    %q, made just now by: shard-client migrate up", replayDatabase)
}

// tableHead names the command behind every heartbeat, then the columns.
func (p *replayPage) tableHead(arguments []string) {
	p.linef("heartbeat   each is one run of:")
	p.linef("  shard-client %s", strings.Join(arguments, " "))
	p.linef("")
	p.row("beat", "sent to the master", "came from it", "the shard's database now")
	p.linef("%s", strings.Repeat("-", replayWidth))
}

// nearby returns a path as seen from the current directory when it lies below that.
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

func (p *replayPage) row(beat, sent, came, stored string) {
	p.linef("%-*s%-*s%-*s%s", beatColumn, beat, sentColumn, sent, cameColumn, came, stored)
}

// beat prints a heartbeat as one block of the table, and below it what differs.
func (p *replayPage) beat(number, of int, b *replayBeat) {
	p.row(fmt.Sprintf("%d of %d", number, of), replayTitle(b.name), "", "")
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
	p.difference("what shard-client says of it (- on the wire, + said)", b.reportDiff)
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

// count reads "no jobs", "1 job", "2 jobs", so that digits catch the eye where something happens.
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

func (p *replayPage) difference(what, diff string) {
	if diff != "" {
		p.linef("  %s:", what)
		p.quote(diff)
	}
}

// trouble prints why the replay could not go on.
func (p *replayPage) trouble(err error) {
	p.linef("")
	first, rest, _ := strings.Cut(err.Error(), "\n")
	p.linef("error: %s", first)
	p.quote(rest)
	p.linef("")
}

// quote prints text of others, indented and bounded.
func (p *replayPage) quote(text string) {
	const indent = "    "
	// go-cmp mixes in non-breaking spaces, so that nobody takes its text for a stable format.
	text = strings.NewReplacer("\t", "  ", "\u00a0", " ", "\r", "").Replace(strings.TrimRight(text, "\n"))
	if text == "" {
		return
	}
	lines := broken(text, replayWidth-len(indent))
	for _, line := range lines[:min(len(lines), maxTroubleLines)] {
		p.linef("%s", indent+line)
	}
	if more := len(lines) - maxTroubleLines; more > 0 {
		p.linef("%s... and %s", indent, count(more, "more line"))
	}
}

// broken splits text into lines of at most so many characters, between words where it can.
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
