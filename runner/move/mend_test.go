package move

import (
	"strings"
	"testing"
)

// Each kind of value that MySQL takes and PostgreSQL's tables do not becomes one that they take.
func TestMendedValues(t *testing.T) {
	t.Parallel()
	text := column{kind: "text", notNull: true}
	created := column{kind: "timestamp without time zone", notNull: true}
	maybe := column{kind: "timestamp without time zone"}
	number := column{kind: "integer", notNull: true, byDefault: "40"}
	truth := column{kind: "boolean", notNull: true, byDefault: "true"}
	for _, one := range []struct {
		column   column
		was, is  string // -: NULL
		repaired bool
	}{
		{text, "x", "x", false},
		{text, "-", "", true},
		{text, "a\x00b\xffc", "ab\uFFFDc", true},
		{created, "2019-03-10 02:30:00", "2019-03-10 02:30:00", false},
		{created, "2019-03-31 02:30:00.250", "2019-03-31 02:30:00.250", false},
		{created, "0000-00-00 00:00:00", epoch, true},
		{created, "-", epoch, true},
		{maybe, "2019-00-10 00:00:00", "-", true},
		{maybe, "2019-02-30 00:00:00", "-", true},
		{maybe, "-", "-", false},
		{number, "7", "7", false},
		{number, "-", "40", true},
		{number, "4294967295", "40", true},
		{truth, "0", "false", false},
		{truth, "1", "true", false},
		{truth, "2", "true", true},
		{truth, "-", "true", true},
		{column{kind: "bigint", notNull: true, refersTo: "afe_hosts"}, "-", "-", false}, // the row is left out
	} {
		was := &one.was
		if one.was == "-" {
			was = nil
		}
		is, what := mended(one.column, was)
		if got := value(is); got != strings.ReplaceAll(value(&one.is), "'-'", "NULL") || (what != "") != one.repaired {
			t.Errorf("%s %q: %s (%s), want %q", one.column.kind, one.was, got, what, one.is)
		}
		if _, err := typed(one.column, is); err != nil {
			t.Errorf("%s %q: %v", one.column.kind, one.was, err)
		}
	}
}

func TestDefaultsOfColumns(t *testing.T) {
	t.Parallel()
	for expression, want := range map[string]string{"''::text": "", "40": "40", "false": "false", "'Ready'::text": "Ready", "'-1'::integer": "-1", "now()": "", "": ""} {
		if got := literal(expression); got != want {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

// An address is read or refused, and no refusal repeats a part of it.
func TestParseAddress(t *testing.T) {
	t.Parallel()
	c, err := ParseAddress("mysql://u:p%40ss@db.example/autotest?tls=skip-verify", "other")
	if err != nil || c.Addr != "db.example:3306" || c.Passwd != "p@ss" || c.DBName != "autotest" || c.TLSConfig != "skip-verify" || c.ParseTime {
		t.Errorf("%+v, %v", c, err)
	}
	c, err = ParseAddress("mysql://u@localhost/autotest?socket=/run/mysqld/mysqld.sock", "other")
	if err != nil || c.Net != "unix" || c.Addr != "/run/mysqld/mysqld.sock" || c.Passwd != "other" {
		t.Errorf("%+v, %v", c, err)
	}
	for _, wrong := range []string{
		"", "CANARY", "postgres://u:CANARY@h/d", "mysql://u:CANARY@h", "mysql://u:CANARY@h/", "mysql://:CANARY@h/d", "mysql://u:CA%NARY@h/d",
		"mysql://u:CANARY@h:x/d", "mysql://u:CANARY@h/a/b", "mysql://u:CANARY@h/d?tls=CANARY", "mysql://u:CANARY@h/d?tls-ca=/none", "mysql://u@h/d?x=CANARY",
	} {
		if _, err := ParseAddress(wrong, ""); err == nil || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

// A shard may know 50,000 jobs, which nobody reads in a terminal.
func TestReportListsTheFirstIDs(t *testing.T) {
	t.Parallel()
	ids := make([]int64, 50_000)
	for i := range ids {
		ids[i] = int64(i)
	}
	r := &Report{WaitingJobs: ids, KnownJobs: ids, KnownHosts: ids[:3]}
	text := r.Text()
	if !strings.Contains(text, "known_job_ids (50000): 0,1,2") || !strings.Contains(text, "98,99 and 49900 more; --output json lists them\n") ||
		!strings.Contains(text, "known_host_ids (3): 0,1,2\n") || len(text) > 2000 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
	if text := (&Returned{WaitingJobs: ids}).Text(); len(text) > 1000 {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}
