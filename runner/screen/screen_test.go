package screen_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"shardclient/runner/screen"
)

// pty opens a pseudo-terminal of this size: what is written to the terminal is read from its other
// end.
func pty(t *testing.T, columns, rows uint16) (end, of *os.File) {
	t.Helper()
	end, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = end.Close() })
	unlock := 0
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, end.Fd(), unix.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock))); no != 0 {
		t.Fatal(no)
	}
	number, err := unix.IoctlGetInt(int(end.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if of, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = of.Close() })
	if err := unix.IoctlSetWinsize(int(of.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: rows}); err != nil {
		t.Fatal(err)
	}
	return end, of
}

// What is no terminal is neither cut nor coloured; a terminal is as it is, and as NO_COLOR, TERM
// and COLUMNS say.
func TestOf(t *testing.T) {
	for _, name := range []string{"NO_COLOR", "TERM", "COLUMNS"} {
		t.Setenv(name, "")
	}
	var file bytes.Buffer
	if out := screen.Of(&file); out.Width != 0 || out.Colour || out.Fit(strings.Repeat("x", 999)) != strings.Repeat("x", 999) || out.Paint(screen.Red, "x") != "x" {
		t.Errorf("%+v", out)
	}
	_, of := pty(t, 72, 20)
	if out := screen.Of(of); out.Width != 72 || !out.Colour || out.Paint(screen.Red, "x") != "\x1b[31mx\x1b[0m" ||
		out.Fit(strings.Repeat("ü", 73)) != strings.Repeat("ü", 71)+"…" || out.Fit(strings.Repeat("ü", 72)) != strings.Repeat("ü", 72) {
		t.Errorf("%+v", out)
	}
	t.Setenv("NO_COLOR", "1")
	if out := screen.Of(of); out.Colour {
		t.Error("NO_COLOR does nothing")
	}
	t.Setenv("NO_COLOR", "")
	t.Setenv("TERM", "dumb")
	t.Setenv("COLUMNS", "100")
	if out := screen.Of(of); out.Colour || out.Width != 100 {
		t.Errorf("%+v", out)
	}
	t.Setenv("COLUMNS", "3")
	if out := screen.Of(of); out.Width != 40 {
		t.Errorf("%+v", out)
	}
}

// A picture stands over the one before it, and is not longer than the terminal.
func TestPicture(t *testing.T) {
	t.Setenv("COLUMNS", "")
	end, of := pty(t, 80, 4)
	if err := screen.Of(of).Picture("1\n2\n3\n4\n5\n"); err != nil {
		t.Fatal(err)
	}
	text := make([]byte, 100)
	n, err := end.Read(text)
	if got, want := string(text[:n]), "\x1b[H1\x1b[K\r\n2\x1b[K\r\n3\x1b[K\r\n\x1b[J"; err != nil || got != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestWrap(t *testing.T) {
	t.Parallel()
	out := screen.Out{Width: 20}
	if got, want := out.Wrap("one two three  four https://a.very.long.address/ five", 6), "one two three\n      four\n      https://a.very.long.address/\n      five"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := (screen.Out{}).Wrap(strings.Repeat("x ", 80), 0); strings.Index(got, "\n") != 79 {
		t.Errorf("%q", got)
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		-time.Hour: "0 s", 0: "0 s", 1234 * time.Microsecond: "1.2 ms", 9994 * time.Microsecond: "10.0 ms", 9996 * time.Microsecond: "10 ms",
		850 * time.Millisecond: "850 ms", 999499 * time.Microsecond: "999 ms", 999600 * time.Microsecond: "1.0 s", 4240 * time.Millisecond: "4.2 s",
		9960 * time.Millisecond: "10 s", 59600 * time.Millisecond: "1m00s", 192 * time.Second: "3m12s", 3599600 * time.Millisecond: "1h00m",
		5*time.Hour + 2*time.Minute: "5h02m", 47*time.Hour + 59*time.Minute: "47h59m", 195 * time.Hour: "8d03h",
	} {
		if got := screen.Duration(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	if got := screen.Milliseconds(1500); got != "1.5 s" {
		t.Errorf("%q", got)
	}
}

func TestSparkline(t *testing.T) {
	t.Parallel()
	for want, values := range map[string][]float64{
		"": {}, "▁▁": {0, 0}, "█": {3}, "▁▂▃▄▅▆▇█": {0, 1.01, 2.01, 3.01, 4.01, 5.01, 6.01, 8}, "▁█▁": {-1, 1e9, 0.1},
	} {
		if got := screen.Sparkline(values); got != want {
			t.Errorf("%v is %q, want %q", values, got, want)
		}
	}
}
