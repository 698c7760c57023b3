package autotest_test

import (
	"strings"
	"testing"

	"shardclient/runner/autotest"
)

// missing and broken stand in the table for a key of which Autotest takes its default, and for one
// that ends it.
const (
	missing = "(missing)"
	broken  = "(broken)"
)

// table is the dialect. Each row is the text of the files, later ones overriding earlier ones, what
// is asked, and the answer; truth_test.go checks the answers by Python 2.
var table = []struct {
	name  string
	files []string
	ask   string
	want  string
}{
	{"colon", []string{"[S]\nk: v\n"}, "S k", "v"},
	{"equals", []string{"[S]\nk=v\n"}, "S k", "v"},
	{"no space behind the colon", []string{"[S]\nk:v\n"}, "S k", "v"},
	{"spaces around equals", []string{"[S]\nk = v \t\n"}, "S k", "v"},
	{"the first of both signs", []string{"[S]\nk: a=b\n"}, "S k", "a=b"},
	{"a URL", []string{"[S]\nk = http://h:1/?a=b\n"}, "S k", "http://h:1/?a=b"},
	{"a key with spaces", []string{"[S]\nmy key : v\n"}, "S my key", "v"},
	{"key without regard to case", []string{"[S]\nShard_HostName: v\n"}, "S shard_hostname", "v"},
	{"asked in another case", []string{"[S]\nk: v\n"}, "S K", "v"},
	{"section by case", []string{"[s]\nk: v\n"}, "S k", missing},
	{"text behind a header", []string{"[S] ; x\nk: v\n"}, "S k", "v"},
	{"later of two", []string{"[S]\nk: 1\nK = 2\n"}, "S k", "2"},
	{"a section in two parts", []string{"[S]\nk: 1\n[T]\nk: 2\n[S]\nl: 3\n"}, "S k", "1"},
	{"no last newline", []string{"[S]\nk: v"}, "S k", "v"},
	{"lines of DOS", []string{"[S]\r\nk: v\r\n"}, "S k", "v"},
	{"no such section", []string{"[T]\nk: v\n"}, "S k", missing},
	{"no such key", []string{"[S]\nl: v\n"}, "S k", missing},
	{"empty", []string{"[S]\nk:\n"}, "S k", missing},
	{"spaces", []string{"[S]\nk:   \n"}, "S k", missing},

	{"rem is a comment", []string{"[S]\nk: 1\nrem = 5\nREM k: 2\n"}, "S rem", missing},
	{"remark is none", []string{"[S]\nremark: 5\n"}, "S remark", "5"},
	{"rem without a space is none", []string{"[S]\nrem: 5\n"}, "S rem", "5"},
	{"a hash begins a line", []string{"[S]\n#k: 1\n"}, "S k", missing},
	{"a semicolon begins a line", []string{"[S]\n;k: 1\n"}, "S k", missing},
	{"space and semicolon", []string{"[S]\nk: v ;x\n"}, "S k", "v"},
	{"semicolon without a space", []string{"[S]\nk: v;x\n"}, "S k", "v;x"},
	{"a semicolon before one with a space", []string{"[S]\nk: a;b ;c\n"}, "S k", "a;b ;c"},
	{"nothing but a comment", []string{"[S]\nk: ;x\n"}, "S k", ";x"},
	{"nothing but a comment and a space", []string{"[S]\nk: ;x \n"}, "S k", missing},
	{"hash stays", []string{"[S]\nk: v #1\n"}, "S k", "v #1"},

	{"two quotes", []string{"[S]\nk: \"\"\n"}, "S k", missing},
	{"two quotes and a comment", []string{"[S]\nk: \"\" ; x\n"}, "S k", missing},
	{"quotes stay", []string{"[S]\nk: \"v w\"\n"}, "S k", `"v w"`},
	{"single quotes stay", []string{"[S]\nk: ''\n"}, "S k", "''"},
	{"a backslash at the end", []string{"[S]\npath = C:\\\nk: v\n"}, "S path", `C:\`},
	{"the line behind it", []string{"[S]\npath = C:\\\nk: v\n"}, "S k", "v"},
	{"backquotes", []string{"[S]\nk: `v\nl: w`\n"}, "S k", "`v"},
	{"umlauts", []string{"[S]\nÜ: ö\n"}, "S Ü", "ö"},

	{"a line that goes on", []string{"[S]\nk: a\n  b\n\tc ;d\n"}, "S k", "a\nb\nc ;d"},
	{"behind an empty line", []string{"[S]\nk: a\n\n b\n"}, "S k", "a\nb"},
	{"behind a comment", []string{"[S]\nk: a\n#x\n b\n"}, "S k", "a\nb"},
	{"an indented comment is none", []string{"[S]\nk: a\n # b\n"}, "S k", "a\n# b"},
	{"an indented key is none", []string{"[S]\nk: a\n l: b\n"}, "S l", missing},
	{"two quotes that go on", []string{"[S]\nk: \"\"\n b\n"}, "S k", "b"},
	{"indented behind a header", []string{"[S]\n k: a\n"}, "S k", broken},
	{"neither key nor header", []string{"[S]\nk: v\nnothing\n"}, "S k", broken},
	{"key without a name", []string{"[S]\n= v\n"}, "S k", broken},
	{"before a header", []string{"k: v\n[S]\n"}, "S k", broken},
	{"a mark of byte order", []string{"\ufeff[S]\nk: v\n"}, "S k", broken},
	{"no name in a header", []string{"[S]\nk: v\n[]\n"}, "S k", broken},

	{"DEFAULT is inherited", []string{"[DEFAULT]\nk: d\n[S]\nl: v\n"}, "S k", "d"},
	{"from below, too", []string{"[S]\nl: v\n[DEFAULT]\nk: d\n"}, "S k", "d"},
	{"the section goes first", []string{"[DEFAULT]\nk: d\n[S]\nk: v\n"}, "S k", "v"},
	{"an empty value does not inherit", []string{"[DEFAULT]\nk: d\n[S]\nk:\n"}, "S k", missing},
	{"nor a section that is not there", []string{"[DEFAULT]\nk: d\n"}, "S k", missing},

	{"shadow goes first", []string{"[S]\nk: 1\nl: 1\n", "[S]\nK = 2\n"}, "S k", "2"},
	{"what shadow leaves", []string{"[S]\nk: 1\nl: 1\n", "[S]\nk: 2\n"}, "S l", "1"},
	{"three files", []string{"[S]\nk: 1\n", "[S]\nk: 2\n", "[S]\nk: 3\n"}, "S k", "3"},
	{"a section of shadow alone", []string{"[T]\nk: 1\n", "[S]\nk: 2\n"}, "S k", "2"},
	{"empty in shadow", []string{"[S]\nk: 1\n", "[S]\nk:\n"}, "S k", missing},
	{"DEFAULT of shadow", []string{"[S]\nk: 1\n", "[DEFAULT]\nk: 2\n[S]\nl: 3\n"}, "S k", "2"},
	{"DEFAULT of shadow without the section", []string{"[S]\nk: 1\n", "[DEFAULT]\nk: 2\n[T]\nl: 3\n"}, "S k", "1"},
	{"DEFAULT of global", []string{"[DEFAULT]\nk: 1\n", "[S]\nl: 3\n"}, "S k", "1"},

	{"percent signs stay", []string{"[S]\nk: 5%%\n"}, "S k", "5%%"},
	{"a percent sign stays", []string{"[S]\nk: 100% %s\n"}, "S k", "100% %s"},
	{"interpolation", []string{"[S]\nx: 1\nk: a%(x)sb\n"}, "S k", "a1b"},
	{"by a name without case", []string{"[S]\nX_y: 1\nk: %(x_Y)s\n"}, "S k", "1"},
	{"from DEFAULT", []string{"[DEFAULT]\nx: 1\n[S]\nk: %(x)s\n"}, "S k", "1"},
	{"beside percent signs", []string{"[S]\nx: 1\nk: 5%% %(x)s\n"}, "S k", "5% 1"},
	{"beside one percent sign", []string{"[S]\nx: 1\nk: 5% of 9% %(x)s\n"}, "S k", broken},
	{"beside one that looks like a width", []string{"[S]\nx: 1\nk: 5% #1% %(x)s\n"}, "S k", "5% 1"},
	{"escaped", []string{"[S]\nx: 1\nk: %%(x)s\n"}, "S k", "1"},
	{"twice", []string{"[S]\nx: %(y)s\ny: 2\nk: %(x)s%(x)s\n"}, "S k", "22"},
	{"the name of the section", []string{"[S]\nk: %(__name__)s\n"}, "S k", "S"},
	{"for ever", []string{"[S]\nk: %(k)s\n"}, "S k", missing},
	{"unknown", []string{"[S]\nk: %(b)s\n"}, "S k", missing},
	{"unknown in shadow", []string{"[S]\nk: 1\n", "[S]\nk: %(b)s\n"}, "S k", broken},
	{"for ever in shadow", []string{"[S]\nk: 1\n", "[S]\nk: %(k)s\n"}, "S k", broken},
	{"known to global only", []string{"[S]\nx: 1\n", "[S]\nk: %(x)s\n"}, "S k", broken},
	{"bare", []string{"[S]\nk: a%(b\n"}, "S k", broken},
	{"another format", []string{"[S]\nx: 1\nk: %(x)d\n"}, "S k", broken},
	{"a sign beside it", []string{"[S]\nx: 1\nk: %(x)s%\n"}, "S k", broken},
	{"names what shadow has changed", []string{"[S]\nx: 1\nk: %(x)s\n", "[S]\nx: 2\n"}, "S k", "2"},
}

// answer asks files as the program does.
func answer(files []string, question string) string {
	name, key, _ := strings.Cut(question, " ")
	var merged *autotest.File
	for i, text := range files {
		file, err := autotest.Parse("ini", text)
		switch {
		case err != nil:
			return broken
		case i == 0:
			merged = file
		default:
			merged.Override(file)
		}
	}
	value, err := merged.Get(name, key)
	switch {
	case err != nil:
		return broken
	case value == autotest.Value{}:
		return missing
	}
	return value.Text
}

func TestDialect(t *testing.T) {
	t.Parallel()
	for _, row := range table {
		if got := answer(row.files, row.ask); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
	}
}

// A value and an error name the file that they are from, and its line.
func TestPlaces(t *testing.T) {
	t.Parallel()
	global, err := autotest.Parse("global.ini", "# x\n[DEFAULT]\nd: 1\n\n[S]\nk: 1\nl: 1\n m\nb: SECRET%(\n")
	if err != nil {
		t.Fatal(err)
	}
	shadow, err := autotest.Parse("shadow.ini", "[S]\nk: 2\nu: SECRET%(none)s\n")
	if err != nil {
		t.Fatal(err)
	}
	global.Override(shadow)
	for key, want := range map[string]string{"k": "shadow.ini:2", "l": "global.ini:7", "d": "global.ini:3"} {
		if value, err := global.Get("S", key); err != nil || value.Place() != want {
			t.Errorf("%s is from %s, want %s (%v)", key, value.Place(), want, err)
		}
	}
	for key, want := range map[string]string{"b": "global.ini:9: ", "u": "shadow.ini:3: "} {
		if _, err := global.Get("S", key); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%s: %v, want an error at %s that repeats nothing", key, err, want)
		}
	}
	for text, want := range map[string]string{
		"SECRET\n":                "x.ini:1: it stands before the first [SECTION]",
		"[S]\n\nk: v\nSECRET x\n": "x.ini:4: it is neither a [SECTION] nor key: value",
	} {
		if _, err := autotest.Parse("x.ini", text); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
