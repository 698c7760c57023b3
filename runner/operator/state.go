package operator

import (
	"fmt"
	"time"

	"shardclient/runner/screen"
)

// judge names the state, and says it in a sentence.
func (s *Status) judge(pause time.Duration) {
	last := s.Last()
	ended := ""
	if last != nil {
		ended = ago(s.At.Sub(last.EndedAt()))
	}
	switch {
	case last == nil && s.LastHolder == nil:
		s.State, s.Sentence = StateNew, "No client has served this database yet."
	case s.Standby:
		s.atStandby(last, ended, max(silentPauses*pause, silentLeast))
	case s.Holder == nil:
		s.State, s.Sentence = StateStopped, "No client runs: nobody holds the lock of this shard"
		switch {
		case last == nil:
			s.Sentence += ", and no beat is in the history."
		case last.OK():
			s.Sentence += fmt.Sprintf("; the last beat ended %s and was ok.", ended)
		default:
			s.Sentence += fmt.Sprintf("; the last beat ended %s and failed (%s).", ended, last.result())
		}
	case last == nil:
		s.State, s.Sentence = StateSilent, fmt.Sprintf("A client runs since %s and no beat has ended yet.", s.since(s.Holder.Since))
	case !last.OK():
		s.State, s.Sentence = StateFailing, s.failing(last)
	case s.At.Sub(last.EndedAt()) > max(silentPauses*pause, silentLeast) && s.At.Sub(s.Holder.Since) > silentLeast:
		s.State = StateSilent
		s.Sentence = fmt.Sprintf("A client holds the lock, but its last beat ended %s: a long beat is under way, or it is stuck.", ended)
	default:
		s.State, s.Sentence = StateOK, fmt.Sprintf("All is well: the last beat ended %s and was ok.", ended)
		if aside := s.Quarantine.In - s.Quarantine.WaitingForHost + s.Quarantine.Out + s.Quarantine.Taken; aside > 0 {
			s.Sentence = fmt.Sprintf("Beats are good, but not everything passes: %d set aside. The last beat ended %s.", aside, ended)
		} else if s.Pending.Jobs > 0 {
			s.Sentence = fmt.Sprintf("The last beat ended %s and was ok; %s to upload.", ended, s.Pending.words())
		}
	}
}

// atStandby judges by the beats that have come over: whether a client runs is not to be seen.
func (s *Status) atStandby(last *Beat, ended string, silent time.Duration) {
	s.Sentence = "Seen at a standby, which may lag: "
	switch {
	case last == nil:
		s.State, s.Sentence = StateSilent, s.Sentence+"no beat is in the history."
	case !last.OK():
		s.State, s.Sentence = StateFailing, s.Sentence+"the last beat failed ("+last.result()+") "+ended+"."
	case s.At.Sub(last.EndedAt()) > silent:
		s.State, s.Sentence = StateSilent, s.Sentence+"the last beat ended "+ended+" and was ok; nothing has come since."
	default:
		s.State, s.Sentence = StateOK, s.Sentence+"the last beat ended "+ended+" and was ok."
	}
}

func (s *Status) failing(last *Beat) string {
	what := "The last beat failed"
	if s.FailuresInARow > 1 {
		what = fmt.Sprintf("The last %d beats failed", s.FailuresInARow)
	}
	since := ""
	if s.FailingSince != nil && s.FailuresInARow > 1 {
		since = ", for " + screen.Duration(s.At.Sub(*s.FailingSince))
	}
	return fmt.Sprintf("%s (%s)%s.", what, last.result(), since)
}

func (s *Status) since(then time.Time) string { return screen.Duration(s.At.Sub(then)) }

// ago returns an age in words.
func ago(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%d s ago", max(d, 0)/time.Second)
	}
	return screen.Duration(d) + " ago"
}
