package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/hint"
	"shardclient/runner/page"
)

const (
	// alarming is from how many failures in a row on somebody should look at once. One failed beat
	// is a hiccup that the next one mends.
	alarming = 3
	// longBeat is from when on a beat under way is remarkable; an answer with all jobs of a shard
	// takes a while.
	longBeat = 5 * time.Minute
)

// verdict is how the shard is: the state, the sentence, and what to do.
type verdict struct {
	state            page.State
	sentence, advice string
	class            string // of the failure; "": there is none
}

// judge says how the shard is. What hinders most comes first.
func (v *view) judge() verdict {
	h := v.health
	doing := v.now.Sub(h.Since)
	switch {
	case h.Status != "alive":
		return verdict{page.Bad, fmt.Sprintf("shard-client hangs: it has been busy with one thing (%s) for %s.", h.Doing, page.Span(doing)),
			"Restart it: a beat can be cut anywhere, and nothing is lost. Then report it, with the end of the log.", ""}
	case h.Doing == waitsForDatabase:
		return verdict{page.Bad, "The database does not answer, so no beat can begin." + v.waiting(),
			"See that PostgreSQL is up and reachable from here; beats begin by themselves once it is. The log has the error.", beat.FailureDatabase}
	case strings.HasPrefix(h.Doing, waitsForDatabase):
		return verdict{page.Bad, "The database refuses this client, so no beat can begin." + v.waiting(),
			"This lasts until somebody acts. The log has what PostgreSQL says, and what to do.", beat.FailureDatabase}
	case h.Failures > 0:
		return v.failing()
	case h.LastSuccess == nil:
		return verdict{page.Waiting, "No beat has ended yet" + v.next() + ".", "", ""}
	case h.Doing == "beat" && doing > longBeat:
		return verdict{page.Warning, fmt.Sprintf("A beat has been under way for %s; the last good one ended %s ago.",
			page.Span(doing), page.Span(v.now.Sub(*h.LastSuccess))),
			"An answer with very many jobs takes that long, and so does a master that is overloaded. It ends by itself.", ""}
	}
	return v.fine()
}

// failing is the verdict while beats fail.
func (v *view) failing() verdict {
	h := v.health
	state, how := page.Warning, "The last beat failed"
	if h.Failures > 1 {
		how = fmt.Sprintf("%s beats in a row failed", page.Number(int64(h.Failures)))
	}
	if h.Failures >= alarming {
		state = page.Bad
	}
	how += " (" + h.Failure + ")"
	if since, known := v.failingSince(); known {
		how += fmt.Sprintf(" since %s UTC, %s ago", page.Clock(since, v.now), page.Span(v.now.Sub(since)))
	} else if h.LastSuccess != nil {
		how += fmt.Sprintf(" since the last good one at %s UTC, %s ago", page.Clock(*h.LastSuccess, v.now), page.Span(v.now.Sub(*h.LastSuccess)))
	} else {
		how += ", and none was ever good"
	}
	return verdict{state, how + v.next() + "." + v.waiting(), v.remedy(), h.Failure}
}

// remedy says what to do about the last failure. The remedies are written to stand behind a colon.
func (v *view) remedy() string {
	recorded := ""
	if n := len(v.seen.beats); n > 0 && v.seen.beats[n-1].Failure == v.health.Failure {
		recorded = v.seen.beats[n-1].Error
	}
	return sentence(cmp.Or(v.seen.hint, hint.Recorded(v.health.Failure, recorded)))
}

// sentence makes a sentence of a remedy.
func sentence(remedy string) string {
	if remedy == "" {
		return ""
	}
	return strings.ToUpper(remedy[:1]) + remedy[1:] + "."
}

// failingSince returns when the first beat ended of those that failed since the last good one, if
// the page still has it.
func (v *view) failingSince() (since time.Time, known bool) {
	n := len(v.seen.beats)
	if n < v.health.Failures || v.health.Failures == 0 {
		return time.Time{}, false
	}
	return v.seen.beats[n-v.health.Failures].EndedAt(), true
}

// fine is the verdict while beats are good.
func (v *view) fine() verdict {
	ago := "just now"
	if since := v.now.Sub(*v.health.LastSuccess); since >= time.Second {
		ago = page.Span(since) + " ago"
	}
	when := "last beat " + ago + v.next()
	q := v.seen.quarantine
	if q == nil {
		q = &beat.Quarantine{}
	}
	switch bad := q.In - q.WaitingForHost + q.Out + q.Taken; {
	case bad > 0:
		are := "are"
		if bad == 1 {
			are = "is"
		}
		return verdict{page.Warning, fmt.Sprintf("Beats are good, but %s %s set aside: %s.", page.Count(bad, "object", "objects"), are, when),
			"All others are stored and sent. What is set aside, and why, stands below under Quarantine.", ""}
	case v.seen.pending > 0:
		return verdict{page.Good, fmt.Sprintf("All is well: %s. %s for the next beats.", when, waits(v.seen.pending)), "", ""}
	}
	return verdict{page.Good, "All is well: " + when + ".", "", ""}
}

// next says when the next beat begins, as the end of a sentence.
func (v *view) next() string {
	switch {
	case v.health.Doing == "beat":
		return ", another is under way"
	case v.health.NextBeat == nil:
		return ""
	case v.health.NextBeat.Sub(v.now) < time.Second:
		return ", next at once"
	}
	return ", next in " + page.Span(v.health.NextBeat.Sub(v.now))
}

// waiting says that nothing is lost, and how much waits.
func (v *view) waiting() string {
	if !v.seen.sent || v.seen.pending <= 0 {
		return " Nothing is lost: what finishes meanwhile waits for the next good beat."
	}
	return " Nothing is lost: " + waits(v.seen.pending) + "."
}

func waits(jobs int) string {
	if jobs == 1 {
		return "1 finished job waits"
	}
	return page.Number(int64(jobs)) + " finished jobs wait"
}
