package main

import (
	"slices"
	"strings"
	"testing"
)

func TestChangesOfAStatement(t *testing.T) {
	const sql = `-- name: X :many
WITH a AS (
    SELECT id, array_agg(x ORDER BY y)
    FROM t -- WHERE not this
    WHERE id = ANY ($1::bigint[])
        AND (u IS NULL OR (v BETWEEN 1 AND 2))
        AND NOT EXISTS (SELECT FROM z WHERE z.id = t.id)
    ORDER BY id
    FOR UPDATE OF t SKIP LOCKED
)
SELECT b FROM a JOIN c ON c.id = a.id AND c.d = 'WHERE AND' WHERE b IS DISTINCT FROM $2 AND e IS NOT DISTINCT FROM f LIMIT $3::bigint`
	want := map[string]string{
		"drop ORDER BY y":                                                "array_agg(x )",
		"drop id = ANY ($1::bigint[])":                                   "WHERE ((id = ANY ($1::bigint[])) OR true)",
		"drop (u IS NULL OR (v BETWEEN 1 AND 2))":                        "AND (((u IS NULL OR (v BETWEEN 1 AND 2))) OR true)",
		"drop u IS NULL":                                                 "(((u IS NULL) AND false) OR (v",
		"drop (v BETWEEN 1 AND 2)":                                       "OR (((v BETWEEN 1 AND 2)) AND false))",
		"drop NOT EXISTS (SELECT FROM z WHERE z.id = t.id)":              "AND ((NOT EXISTS (SELECT FROM z WHERE z.id = t.id)) OR true)",
		"EXISTS instead of NOT EXISTS (SELECT FROM z WHERE z.id = t.id)": "AND  EXISTS (SELECT",
		"drop z.id = t.id":                                               "WHERE ((z.id = t.id) OR true))",
		"drop ORDER BY id":                                               "\n    \n    FOR UPDATE",
		"drop FOR UPDATE OF t SKIP LOCKED":                               "ORDER BY id\n    \n)",
		"drop SKIP LOCKED":                                               "FOR UPDATE OF t \n)",
		"drop c.d = 'WHERE AND'":                                         "AND ((c.d = 'WHERE AND') OR true) WHERE",
		"drop b IS DISTINCT FROM $2":                                     "WHERE ((b IS DISTINCT FROM $2) OR true) AND",
		"<> instead of IS DISTINCT FROM":                                 "WHERE b <> $2",
		"drop e IS NOT DISTINCT FROM f":                                  "AND ((e IS NOT DISTINCT FROM f) OR true) LIMIT",
		"= instead of IS NOT DISTINCT FROM":                              "AND e = f",
		"drop LIMIT $3::bigint":                                          "LIMIT greatest(($3::bigint), 1000000000)",
	}
	var found []string
	for _, c := range changes(sql) {
		found = append(found, c.what)
		changed := string(replaced([]byte(sql), c.begin, c.end, c.by))
		if part, ok := want[c.what]; !ok || !strings.Contains(changed, part) {
			t.Errorf("%s: want %q in\n%s", c.what, part, changed)
		}
	}
	for what := range want {
		if !slices.Contains(found, what) {
			t.Errorf("not found: %s", what)
		}
	}
}

func TestColumnsThatKeepTheirValue(t *testing.T) {
	const sql = `INSERT INTO t AS u (a, b) SELECT x, CASE WHEN c AND d THEN 1 END FROM y ON CONFLICT (a) DO UPDATE
SET a = excluded.a, b = CASE WHEN $1 THEN NULL ELSE f(1, 2) END WHERE u.a <> 1`
	want := []string{
		"SELECT x, CASE WHEN ((c) OR true) AND d THEN", "SELECT x, CASE WHEN c AND ((d) OR true) THEN",
		"SET a = CASE WHEN true THEN u.a ELSE excluded.a END, b",
		"b = CASE WHEN true THEN u.b ELSE CASE WHEN $1 THEN NULL ELSE f(1, 2) END END WHERE",
		"WHERE ((u.a <> 1) OR true)",
	}
	var found []string
	for _, c := range changes(sql) {
		found = append(found, string(replaced([]byte(sql), c.begin, c.end, c.by)))
	}
	for i, part := range want {
		if i >= len(found) || !strings.Contains(found[i], part) {
			t.Errorf("change %d: want %q in %q", i, part, found)
		}
	}
	if of := changes("WITH m AS (UPDATE t SET a = s.a FROM s WHERE t.b = s.b)"); len(of) != 2 || of[0].by != "CASE WHEN true THEN t.a ELSE s.a END" {
		t.Errorf("%+v", of)
	}
}

func TestChangesOfGo(t *testing.T) {
	const source = `package p

func f(a, b int) bool {
	if a < b && g() {
		b++
		h.log.Info("x")
		return true
	}
	for a = 0; a > 1; a++ {
		continue
	}
	if err != nil {
		g()
	}
	return err == nil
}
`
	mutants, err := mutateGo("", "runner/p/f.go", []byte(source))
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, m := range mutants {
		found = append(found, strings.TrimPrefix(m.id, "runner/p/f.go f: "))
		if m.packages[0] != "./runner/p" || string(m.content) == source {
			t.Errorf("%+v", m)
		}
	}
	want := []string{
		"if !(a < b && g())", "|| instead of && in a < b && g()", "<= instead of < in a < b", "drop b++", "return false",
		"drop a = 0", ">= instead of > in a > 1", "drop a++", "drop continue", "drop g()",
	}
	if !slices.Equal(found, want) {
		t.Errorf("found %q\nwant  %q", found, want)
	}
}

func TestAccepted(t *testing.T) {
	reasons := accepted{"queries/shard/a.sql X: drop y": "r", "runner/shard/b.go f: drop z": "r"}
	mutants := []mutant{{id: "queries/shard/a.sql X: drop y"}}
	if stale := reasons.stale(mutants, []string{"queries/shard"}); stale != nil {
		t.Errorf("stale %q, want none below the target", stale)
	}
	if stale := reasons.stale(mutants, everything); len(stale) != 1 {
		t.Errorf("stale %q, want the one of Go", stale)
	}
	if err := judge([]string{"queries/shard/a.sql X: drop y"}, reasons, nil); err != nil {
		t.Errorf("an accepted survivor: %v", err)
	}
	if err := judge([]string{"new"}, reasons, nil); err == nil {
		t.Error("a new survivor passes")
	}
	if err := judge(nil, reasons, []string{"old"}); err == nil {
		t.Error("a stale line passes")
	}
}
