package flags_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"shardclient/runner/flags"
)

// size is a type of its own.
type size int

func (s *size) UnmarshalText(text []byte) error {
	if string(text) != "large" {
		return errors.New("give large")
	}
	*s = 7
	return nil
}

type hidden struct {
	Inner string `help:"Of an embedded struct."`
}

type settings struct {
	Host     string         `default:"here" env:"FLAGS_TEST_HOST,FLAGS_TEST_OTHER" group:"Place" help:"Name of the host."`
	Pause    time.Duration  `default:"60s" env:"FLAGS_TEST_PAUSE" help:"A time."`
	MaxSplay *time.Duration `name:"splay" help:"A time that may not be given."`
	Many     int            `help:"A number."`
	Share    float64        `help:"A number with a fraction."`
	Seed     uint64         `help:"A number from 0 on."`
	Size     size           `help:"A size."`
	MetaHost []string       `placeholder:"LABEL" help:"May be given several times."`
	Format   string         `enum:"text,json" default:"text" env:"FLAGS_TEST_FORMAT" help:"One of two."`
	Watch    bool           `short:"w" help:"Yes or no."`
	hidden
	Untouched string
}

func parse(args ...string) (settings, []string, error) {
	var s settings
	set := flags.New(&s)
	err := errors.Join(flags.Parse(set, args), flags.FromEnvironment(set))
	return s, set.Args(), err
}

func TestEveryType(t *testing.T) {
	got, words, err := parse("a", "--host=", "--pause", "1h", "--splay=0", "b", "--many=-10", "--share", "0.5", "--seed=3",
		"--size=large", "--meta-host=a,b", "--meta-host", "c", "--format=json", "-w", "--inner=x y", "--", "--many")
	want := settings{"", time.Hour, new(time.Duration), -10, 0.5, 3, 7, []string{"a,b", "c"}, "json", true, hidden{"x y"}, ""}
	if err != nil || !reflect.DeepEqual(got, want) || !reflect.DeepEqual(words, []string{"a", "b", "--many"}) {
		t.Errorf("%+v, %q, %v; want %+v", got, words, err, want)
	}
	if got, _, err := parse("--watch=false"); err != nil || got.Watch || got.Host != "here" || got.Pause != time.Minute || got.MaxSplay != nil {
		t.Errorf("the defaults are %+v, %v", got, err)
	}
}

// Each error names the flag and the value, and says what is wrong with it.
func TestWhatCannotBeUsed(t *testing.T) {
	for arg, want := range map[string]string{
		"--pause=60": "give a duration such as", "--pause=": "give a duration", "--splay=soon": "give a duration",
		"--many=1x": "a whole number", "--many=": "a whole number", "--many=99999999999999999999": "a smaller number", "--many=1 2": "a whole number",
		"--many=010": "leading zero", "--many=-007": "leading zero", "--seed=00": "leading zero", "--share=00.5": "leading zero", "--pause=08s": "leading zero",
		"--many=0x10": "decimal digits", "--many=0b11": "decimal digits", "--many=1_000": "decimal digits", "--many=1e3": "decimal digits",
		"--many=+5": "decimal digits", "--many= 5": "decimal digits", "--many=5 ": "decimal digits", "--many=\n5": "decimal digits", "--many=٣": "decimal digits",
		"--many=-0x10": "decimal digits", "--seed=0x3": "decimal digits", "--share=0x1p-2": "a number", "--share=1_0.5": "a number", "--share=inf": "a number",
		"--share=NaN": "a number", "--pause=0x10s": "give a duration", "--pause=1_0s": "give a duration",
		"--seed=-1": "from 0 on", "--share=half": "a number", "--watch=maybe": "true or false", "--size=small": "give large",
		"--format=xml": "give one of text, json", "--format=": "give one of", "--host=--pause": "is the value missing?",
	} {
		name, value, _ := strings.Cut(arg, "=")
		_, _, err := parse(arg)
		if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), fmt.Sprintf("%q", value)) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want the flag, the value and %q", arg, err, want)
		}
	}
	for arg, want := range map[string]string{
		"--hst": "unknown flag: --hst, did you mean --host?", "--zzz": "unknown flag: --zzz", "--meta-hots=x": "did you mean --meta-host?", "--form": "did you mean --format?",
		"--untouched=x": "unknown flag", "--host": "--host has no value: give --host TEXT", "--format": "--format text|json", "-x": "'x'",
	} {
		if _, _, err := parse(arg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", arg, err, want)
		}
	}
}

// The flag goes first, then the first variable with a value, then the default.
func TestEnvironment(t *testing.T) {
	t.Setenv("FLAGS_TEST_PAUSE", "")
	t.Setenv("FLAGS_TEST_HOST", "")
	t.Setenv("FLAGS_TEST_OTHER", "other")
	if got, _, err := parse(); err != nil || got.Pause != time.Minute || got.Host != "other" {
		t.Errorf("%+v, %v", got, err)
	}
	t.Setenv("FLAGS_TEST_HOST", "first")
	if got, _, err := parse(); err != nil || got.Host != "first" {
		t.Errorf("%+v, %v", got, err)
	}
	t.Setenv("FLAGS_TEST_PAUSE", "soon")
	t.Setenv("FLAGS_TEST_FORMAT", "xml")
	if got, _, err := parse("--host=flag", "--pause=1s"); err == nil || got.Host != "flag" || got.Pause != time.Second || got.Format != "text" {
		t.Errorf("%+v, %v; want flags before variables, and what cannot be used left out", got, err)
	}
	_, _, err := parse()
	for _, want := range []string{"FLAGS_TEST_PAUSE: ", `"soon"`, "--pause", "FLAGS_TEST_FORMAT: ", `"xml"`, "text, json"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v; want %q", err, want)
		}
	}
}

func TestHelp(t *testing.T) {
	text := flags.Help(flags.New(&settings{}))
	for _, want := range []string{
		"\nPlace:\n      --host TEXT   Name of the host ($FLAGS_TEST_HOST,\n                    $FLAGS_TEST_OTHER). (default here)\n",
		"\nFlags:\n", "--pause DURATION ", "--splay DURATION ", "--many N ", "--share N ", "--seed N ", "--size SIZE ",
		"--meta-host LABEL ", "--format text|json ", "  -w, --watch  ", "--inner TEXT ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in:\n%s", want, text)
		}
	}
}

func TestHiddenFlagsAreNotDescribed(t *testing.T) {
	set := flags.New(&settings{})
	set.Lookup("host").Hidden = true
	if text := flags.Help(set); strings.Contains(text, "Place") || strings.Contains(text, "--host") {
		t.Errorf("a hidden flag is described:\n%s", text)
	}
}

// A misspelt variable is named, one without a value or with another beginning is not.
func TestUnread(t *testing.T) {
	t.Setenv("FLAGS_TEST_HOTS", "x")
	t.Setenv("FLAGS_TEST_ENV", "x")
	t.Setenv("FLAGS_TEST_EMPTY", "")
	t.Setenv("FLAGS_TEST_HOST", "x")
	want := []string{"FLAGS_TEST_ENV", "FLAGS_TEST_HOTS (did you mean FLAGS_TEST_HOST?)"}
	if got := flags.Unread("FLAGS_TEST_", flags.New(&settings{})); !reflect.DeepEqual(got, want) {
		t.Errorf("unread: %q, want %q", got, want)
	}
}

func TestWrongDefaultPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a default that cannot be used is used")
		}
	}()
	flags.New(&struct {
		Pause time.Duration `default:"60" help:"A time."`
	}{})
}

// A value knows where it is from: the command line, a variable, a file, or nowhere. What cannot be
// used has left the default in place.
func TestSources(t *testing.T) {
	t.Setenv("FLAGS_TEST_HOST", "variable")
	t.Setenv("FLAGS_TEST_FORMAT", "xml")
	var s struct {
		Host   string         `env:"FLAGS_TEST_HOST" file:"a" help:"Name."`
		Format string         `env:"FLAGS_TEST_FORMAT" enum:"text,json" default:"text" help:"Form."`
		Pause  time.Duration  `default:"60m" file:"b" help:"Time."`
		Splay  time.Duration  `default:"1h" file:"c" help:"Time."`
		Many   int            `file:"d" help:"Number."`
		Max    *time.Duration `help:"Time."`
		List   []string       `help:"Words."`
	}
	set := flags.New(&s)
	if err := flags.Parse(set, []string{"--many=3"}); err != nil {
		t.Fatal(err)
	}
	if err := flags.FromEnvironment(set); err == nil || !strings.Contains(err.Error(), "FLAGS_TEST_FORMAT: ") {
		t.Errorf("%v", err)
	}
	err := flags.FromFiles(set, "file", func(tag string) (string, string, error) {
		switch tag {
		case "b":
			return "90s", "file:1", nil
		case "c":
			return "", "", errors.New("file:2: broken")
		}
		return "4", "file:3", nil
	})
	if err == nil || err.Error() != "file:2: broken" {
		t.Errorf("%v", err)
	}
	for name, want := range map[string][2]string{
		"host": {"variable", "FLAGS_TEST_HOST"}, "format": {"text", "default"}, "pause": {"1m30s", "file:1"}, "splay": {"1h", "default"},
		"many": {"3", "--many"}, "max": {"", "default"}, "list": {"", "default"},
	} {
		flag := set.Lookup(name)
		if got := [2]string{flags.Text(flag), flags.Source(flag)}; got != want {
			t.Errorf("--%s is %q, want %q", name, got, want)
		}
	}
	if flags.IsSetting(set.Lookup("max")) || !flags.IsSetting(set.Lookup("host")) {
		t.Error("what has a variable is a setting, and nothing else is")
	}
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "1h30m", time.Minute: "1m", 0: "0s", 10 * time.Second: "10s"} {
		if got := flags.Short(d); got != want {
			t.Errorf("%v is written %s, want %s", d, got, want)
		}
	}
}
