package config

import (
	"testing"
)

func TestBytes(t *testing.T) {
	for text, want := range map[string]struct {
		n Bytes
		s string
	}{
		"0": {0, "0"}, "1": {1, "1"}, "1024": {1024, "1KiB"}, "1000": {1000, "1000"}, "16MiB": {16 << 20, "16MiB"},
		"16MB": {16e6, "15625KiB"}, "16 mib": {16 << 20, "16MiB"}, "512B": {512, "512"}, "2kB": {2000, "2000"}, "1GiB": {1 << 30, "1GiB"},
		"8388607TiB": {8388607 << 40, "8388607TiB"},
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || b != want.n || b.String() != want.s {
			t.Errorf("%q: %d (%s), error %v; want %d (%s)", text, int64(b), b, err, int64(want.n), want.s)
		}
	}
	for _, text := range []string{
		"", " ", "MiB", "-1", "+1", "1.5GiB", "1,5GiB", "1e3", "1M", "1K", "1 Mi", "0x10",
		"8388608TiB", "9223372036854775808", "１",
	} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was read as %d", text, int64(b))
		}
	}
}

// FuzzBytes checks that a size that is accepted is not negative, and is the same when it is printed
// and read again.
func FuzzBytes(f *testing.F) {
	for _, text := range []string{"0", "16MiB", "9223372036854775807", "1 kB", "99999999999TiB"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Bytes
		if b.UnmarshalText([]byte(text)) != nil {
			return
		}
		if err := again.UnmarshalText([]byte(b.String())); err != nil || b < 0 || again != b {
			t.Errorf("%q: %d, printed %s, read again %d, error %v", text, int64(b), b, int64(again), err)
		}
	})
}
