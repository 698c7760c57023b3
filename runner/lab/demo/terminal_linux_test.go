package demo

import (
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// terminal returns a terminal of 100 columns and 30 lines.
func terminal(t *testing.T) *os.File {
	t.Helper()
	control, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = control.Close() })
	fd := int(control.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 100}); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}

// A terminal gets the picture, as large and as colourful as it can be.
func TestWhatATerminalGets(t *testing.T) {
	file := terminal(t)
	for _, c := range []struct {
		term, noColour, locale string
		colour                 bool
		failed                 rune
	}{
		{"xterm", "", "", true, '×'}, {"xterm", "1", "de_DE.utf8", false, '×'}, {"linux", "", "C", true, 'x'},
	} {
		t.Setenv("TERM", c.term)
		t.Setenv("NO_COLOR", c.noColour)
		t.Setenv("LC_ALL", c.locale)
		t.Setenv("LC_CTYPE", "")
		t.Setenv("LANG", "")
		s, ok := newShow(file, time.Now()).(*window)
		if !ok {
			t.Fatalf("%+v: no picture", c)
		}
		width, height := s.size()
		if s.paint.out.Colour != c.colour || s.paint.failed != c.failed || width != 100 || height != 30 {
			t.Errorf("%+v: colour %t, %c, %d x %d", c, s.paint.out.Colour, s.paint.failed, width, height)
		}
	}
	t.Setenv("TERM", "dumb")
	if _, ok := newShow(file, time.Now()).(*lines); !ok {
		t.Error("a dumb terminal gets a picture")
	}
}
