package operator

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"shardclient/runner/beat"
	"shardclient/runner/plain"
	"shardclient/runner/screen"
)

// How much of an error is shown: in a file, and below a row on a terminal, where it would be cut
// before it comes to the point.
const (
	maxError = 2000
	maxBelow = 240
	maxClass = 40 // of its class
)

// ShowHistory writes beats, the oldest first, as a table.
func ShowHistory(out screen.Out, beats []Beat) error {
	rows := []string{"STARTED\tRESULT\tTOOK\tKNOWN\tUP\tDOWN\tASIDE"}
	below := make([]string, len(beats)+1)
	if out.Width == 0 {
		rows[0] += "\tERROR"
	}
	for i := range beats {
		b := &beats[i]
		row := fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%d",
			b.StartedAt.Format(time.RFC3339), b.result(), screen.Milliseconds(b.TookMS),
			pair(b.KnownJobs, b.KnownHosts), b.UploadedJobs, pair(b.ReceivedJobs, b.ReceivedHosts), b.Quarantined)
		if out.Width == 0 {
			row += "\t" + plain.Line(b.Error, maxError)
		} else if b.Error != "" {
			below[i+1] = "  " + out.Wrap(plain.Line(b.Error, maxBelow), 2) + "\n"
		}
		rows = append(rows, row)
	}
	for i, line := range table(out, rows) {
		if _, err := fmt.Fprint(out, line+"\n"+below[i]); err != nil {
			return err
		}
	}
	return nil
}

// result is ok, or the class of the failure.
func (b *Beat) result() string {
	if b.OK() {
		return b.Outcome
	}
	return plain.Line(b.Failure, maxClass)
}

// pair shows a number of jobs and one of hosts.
func pair(jobs, hosts int) string { return fmt.Sprintf("%d/%d", jobs, hosts) }

// table aligns rows whose cells are parted by tabs, the title first, and cuts them at the width of
// a terminal. A row that has failed is red there.
func table(out screen.Out, rows []string) []string {
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(rows, "\n"))
	_ = w.Flush() // a strings.Builder takes everything
	aligned := strings.Split(strings.TrimSuffix(text.String(), "\n"), "\n")
	for i, line := range aligned {
		aligned[i] = out.Fit(strings.TrimRight(line, " "))
		if cells := strings.Split(rows[i], "\t"); i == 0 {
			aligned[i] = out.Paint(screen.Grey, aligned[i])
		} else if cells[1] != "ok" {
			aligned[i] = out.Paint(screen.Red, aligned[i])
		}
	}
	return aligned
}

// beatsListed is how many beats the status lists, and label how wide the names of its lines are.
const (
	beatsListed = 8
	label       = 11
)

// Show writes the status for people: what matters first.
func (s *Status) Show(out screen.Out) error {
	colours := map[string]string{StateOK: screen.Green, StateFailing: screen.Red, StateStopped: screen.Red}
	colour := colours[s.State]
	if colour == "" {
		colour = screen.Yellow
	}
	text := out.Paint(colour, out.Wrap(s.Sentence, 0)) + "\n"
	if s.Error != "" {
		text += "  " + out.Wrap(plain.Line(s.Error, maxError), 2) + "\n"
	}
	if s.Hint != "" {
		text += "  -> " + out.Wrap(s.Hint, 5) + "\n"
	}
	text += "\n"
	bars, legend := s.sparkline(out)
	text += fmt.Sprintf("%-*s%s\n", label, "beats", bars)
	for _, row := range [][3]string{
		{"", legend},
		{"last ok", s.lastOK()},
		{"uploads", s.Pending.show(), partPending},
		{"open", s.Open.show(), partOpen},
		{"set aside", s.Quarantine.show(), partAside},
		{"lock", s.lock()},
		{"schema", fmt.Sprintf("version %d", s.Schema)},
	} {
		if why := s.Unknown[row[2]]; why != "" {
			row[1] = "not known: " + why
		}
		if row[1] != "" {
			text += fmt.Sprintf("%-*s", label, row[0]) + out.Wrap(row[1], label) + "\n"
		}
	}
	if len(s.Beats) > 0 {
		rows := []string{"ENDED\tRESULT\tTOOK\tKNOWN\tUP\tDOWN\tASIDE"}
		for i := max(len(s.Beats)-beatsListed, 0); i < len(s.Beats); i++ {
			b := &s.Beats[i]
			rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%d\t%s\t%d",
				ago(s.At.Sub(b.EndedAt())), b.result(), screen.Milliseconds(b.TookMS),
				pair(b.KnownJobs, b.KnownHosts), b.UploadedJobs, pair(b.ReceivedJobs, b.ReceivedHosts), b.Quarantined))
		}
		text += "\n" + strings.Join(table(out, rows), "\n") + "\n"
	}
	_, err := fmt.Fprint(out, text)
	return err
}

func (o Open) show() string {
	return fmt.Sprintf("%s; %d of %d entries run; %s", beat.Jobs(int(o.Jobs)), o.Active, o.Entries, screen.Count(int(o.Hosts), "host", "hosts"))
}

// sparkline shows how long the last beats took. A cross, red where there are colours, is one that
// failed. Colours have no width, so the bars are a line of their own.
func (s *Status) sparkline(out screen.Out) (bars, legend string) {
	beats := s.Beats
	if most := out.Width - label; out.Width > 0 && len(beats) > most {
		beats = beats[len(beats)-most:]
	}
	if len(beats) == 0 {
		return "none in the history", ""
	}
	took, failed, longest := make([]float64, len(beats)), 0, 0.0
	for i := range beats {
		took[i] = beats[i].TookMS
		longest = max(longest, took[i])
	}
	line := []rune(screen.Sparkline(took))
	for i := range beats {
		if beats[i].OK() {
			bars += string(line[i])
			continue
		}
		failed++
		bars += out.Paint(screen.Red, "×")
	}
	legend = fmt.Sprintf("the last %d, the longest took %s", len(beats), screen.Milliseconds(longest))
	if failed > 0 {
		legend += fmt.Sprintf("; × failed: %d", failed)
	}
	return bars, legend
}

func (s *Status) lastOK() string {
	if s.LastSuccess == nil {
		return "never, as far as the history goes"
	}
	return fmt.Sprintf("%s (%s)", ago(s.At.Sub(*s.LastSuccess)), s.LastSuccess.Format(time.RFC3339))
}

func (p Pending) show() string {
	if p.Jobs == 0 {
		return "none wait"
	}
	text := p.words() + " to upload"
	if p.OldestAge != nil {
		text += ", the first finished " + ago(time.Duration(*p.OldestAge*float64(time.Second)))
	}
	return text
}

func (a Aside) show() string {
	if a == (Aside{}) {
		return "nothing"
	}
	var all []string
	for _, part := range []struct {
		n    int64
		what string
	}{{a.In, "that came"}, {a.Out, "that the master refuses"}, {a.Taken, "with ids that are taken"}} {
		if part.n > 0 {
			all = append(all, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	text := strings.Join(all, ", ")
	if a.WaitingForHost > 0 {
		text = strings.Replace(text, "came", fmt.Sprintf("came (%d for want of a host)", a.WaitingForHost), 1)
	}
	return text + "; see shard-client quarantine list"
}

func (s *Status) lock() string {
	switch {
	case s.Holder != nil:
		return s.Holder.Words(s.At)
	case s.LastHolder != nil:
		return fmt.Sprintf("free; last held by %s, since %s", plain.Line(s.LastHolder.Who, maxError), s.LastHolder.Since.Format(time.RFC3339))
	}
	return "free, and never held"
}

// Words says who it is, for how long, and from where.
func (h *Holder) Words(now time.Time) string {
	text := fmt.Sprintf("held by %s, for %s", plain.Line(h.Who, maxError), screen.Duration(now.Sub(h.Since)))
	if h.Address != "" {
		text += ", from " + h.Address
	}
	return fmt.Sprintf("%s (database backend %d)", text, h.BackendPID)
}
