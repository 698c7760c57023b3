package ops

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Systemd tells the service manager that has started this process how it is: sd_notify(3), for a
// unit with Type=notify. Without such a manager it tells nobody. It is safe for concurrent use.
//
// There is no timer behind it. The watchdog hears of what the loop begins and ends, and of nothing
// else: a keep-alive by the clock would go on while a beat hangs.
type Systemd struct {
	socket  string // "": nobody asked
	stopped sync.Once
}

// patienceOfSystemd bounds a message that a stuck service manager does not take: it may not hold a
// beat.
const patienceOfSystemd = time.Second

// afterTheBeat is what a stop may take beside the beat in hand: the history, the lock that is given
// back, and the last lines of the log.
const afterTheBeat = 15 * time.Second

// OpenSystemd takes over from the environment whom to tell. The unit says whether there is a
// watchdog. How long it waits is known only here, because that follows from the settings: hangs,
// the limit of [NewHealth]. The error says that the manager cannot be reached.
func OpenSystemd(hangs time.Duration) (*Systemd, error) {
	s := &Systemd{socket: os.Getenv("NOTIFY_SOCKET")}
	if os.Getenv("WATCHDOG_USEC") == "" {
		return s, nil
	}
	return s, s.send("WATCHDOG_USEC=" + strconv.FormatInt(hangs.Microseconds(), 10))
}

// Ready says that the start is over: what could be wrong at once has been looked at.
func (s *Systemd) Ready() { _ = s.send("READY=1") }

// Observe shows the status to people, and feeds the watchdog when the loop has turned.
func (s *Systemd) Observe(status HealthStatus, turned bool) {
	state := "STATUS=" + status.sentence()
	if turned {
		state += "\nWATCHDOG=1"
	}
	_ = s.send(state)
}

// Stopping says that the process ends, and how long the beat in hand may take until then. That may
// be longer than the unit knows of. Only the first call counts.
func (s *Systemd) Stopping(within time.Duration) {
	s.stopped.Do(func() {
		_ = s.send("STOPPING=1\nEXTEND_TIMEOUT_USEC=" + strconv.FormatInt((within+afterTheBeat).Microseconds(), 10))
	})
}

// send opens the socket anew each time, as sd_notify does, so that a manager that was replaced
// hears it too.
func (s *Systemd) send(state string) error {
	if s.socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }() // a datagram has left, or has not
	if err := conn.SetWriteDeadline(time.Now().Add(patienceOfSystemd)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// sentence returns what the client does and how its beats went, in a line of plain text.
func (s HealthStatus) sentence() string {
	var text strings.Builder
	text.WriteString(s.Doing)
	if s.NextBeat != nil {
		text.WriteString(" until " + s.NextBeat.Format(time.TimeOnly) + " UTC")
	}
	if s.Failures > 0 {
		fmt.Fprintf(&text, "; failures in a row: %d, the last one: %s", s.Failures, s.Failure)
	}
	if s.LastSuccess != nil {
		text.WriteString("; last success: " + s.LastSuccess.Format(time.DateTime) + " UTC")
	} else {
		text.WriteString("; no success yet")
	}
	if s.hint != "" {
		text.WriteString("; " + s.hint)
	}
	return text.String()
}
