package page

import (
	"fmt"
	"strconv"
	"time"
)

// Span says how long something takes, in the two units that matter: 12 s, 3 min, 2 h 5 min, 4 d.
func Span(d time.Duration) string {
	switch d = max(0, d); {
	case d < 120*time.Second:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// Milliseconds says how long a phase took, with as many digits as people read.
func Milliseconds(ms float64) string {
	switch {
	case ms <= 0:
		return "0 ms"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	case ms < 120_000:
		return fmt.Sprintf("%.1f s", ms/1000)
	}
	return fmt.Sprintf("%.0f min", ms/60_000)
}

// Number is a count with its thousands set apart.
func Number(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Count is a number and its noun.
func Count(n int64, one, more string) string {
	if n != 1 {
		one = more
	}
	return Number(n) + " " + one
}

// Clock says when something was, as the log does: in UTC, with the date unless it is today's.
func Clock(at, now time.Time) string {
	at, now = at.UTC(), now.UTC()
	if at.Format(time.DateOnly) == now.Format(time.DateOnly) {
		return at.Format("15:04:05")
	}
	return at.Format("2006-01-02 15:04:05")
}

// Time is a moment that programs can read, too.
func Time(at, now time.Time) Part {
	return El("time", Attr("datetime", at.UTC().Format(time.RFC3339)), Text(Clock(at, now)))
}
