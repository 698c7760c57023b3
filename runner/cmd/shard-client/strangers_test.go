package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"shardclient/runner/pgtest"
)

// shadows makes functions in public that fit calls better than PostgreSQL's own of the same names,
// for arguments of many types, and || for what our queries join. Each fails when it is called. It
// returns how many there are.
const shadows = `
CREATE FUNCTION pg_temp.shadow() RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
    made bigint := 0;
    target record;
BEGIN
    FOR target IN
        SELECT DISTINCT p.proname, (
            SELECT string_agg(CASE
                WHEN a.type IN ('anyarray'::regtype, 'anycompatiblearray'::regtype) THEN k.kind || '[]'
                WHEN a.type IN ('"any"'::regtype, 'anyelement'::regtype, 'anynonarray'::regtype, 'anycompatible'::regtype,
                    'anycompatiblenonarray'::regtype) THEN k.kind
                WHEN a.type = 'name'::regtype THEN 'text'
                WHEN k.kind IN ('integer', 'bigint') AND a.type IN ('integer'::regtype, 'bigint'::regtype, 'double precision'::regtype) THEN k.kind
                ELSE a.type::text
            END, ', ' ORDER BY a.place)
            FROM unnest(p.proargtypes::oid[]::regtype[]) WITH ORDINALITY AS a (type, place)) AS arguments
        FROM pg_proc AS p
        CROSS JOIN unnest('{bigint, integer, text, boolean, bytea, json, timestamptz, timestamp, name, oid, regclass}'::text[]) AS k (kind)
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname = ANY (string_to_array(current_setting('shadow.names'), ' '))
    LOOP
        BEGIN
            IF to_regprocedure(format('pg_catalog.%I(%s)', target.proname, target.arguments)) IS NULL THEN
                EXECUTE format($make$CREATE FUNCTION public.%I(%s) RETURNS bigint LANGUAGE plpgsql AS
                    $b$BEGIN RAISE EXCEPTION 'a function of somebody else was called: %%', %L; END$b$ $make$,
                    target.proname, target.arguments, target.proname);
                made := made + 1;
            END IF;
        EXCEPTION WHEN OTHERS THEN NULL; -- no such types together
        END;
    END LOOP;
    RETURN made;
END
$body$;
CREATE FUNCTION public.shadow_join(text, bigint) RETURNS text LANGUAGE plpgsql AS
    'BEGIN RAISE EXCEPTION ''a function of somebody else was called: ||''; END';
CREATE OPERATOR public.|| (LEFTARG = text, RIGHTARG = bigint, FUNCTION = public.shadow_join)`

// Whoever may create functions in the schema of the tables can have none called, however well they
// fit: every call of ours names its schema, or was bound when it was made.
func TestFunctionsOfOthersAreNotCalled(t *testing.T) {
	t.Parallel()
	databaseURL, owner := leastRights(t)
	conn, err := owner.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	pgtest.Exec(t, conn, shadows)
	pgtest.Query[string](t, conn, "SELECT set_config('shadow.names', $1, false)", strings.Join(called(t), " "))
	if n := pgtest.Query[int](t, conn, "SELECT pg_temp.shadow()"); n < 100 {
		t.Fatalf("only %d functions were made", n)
	}
	pgtest.Exec(t, conn, "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO "+leastRole)
	beforeErrand(t, owner)
	if err := errand(t, databaseURL, owner); err != nil {
		t.Error(err)
	}
	if n := pgtest.Query[int](t, owner, "SELECT count(*) FROM shard_client_quarantine WHERE reason LIKE '%somebody else%'"); n != 0 {
		t.Errorf("%d objects are set aside by functions of others", n)
	}
}

// called returns the names of the functions that our SQL calls.
func called(t *testing.T) (names []string) {
	t.Helper()
	call := regexp.MustCompile(`\b([a-z_][a-z0-9_]*)\(`)
	seen := map[string]bool{}
	for _, pattern := range []string{"queries/shard/*.sql", "queries/session/*.sql", "schema/*.sql"} {
		files, err := filepath.Glob(filepath.Join("..", "..", "..", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, match := range call.FindAllStringSubmatch(string(text), -1) {
				if !seen[match[1]] {
					names = append(names, match[1])
				}
				seen[match[1]] = true
			}
		}
	}
	return names
}

// A start where others may create in the schema of the tables, or have created there, warns. With
// the rights of docs/grants.sql there is nothing to warn of.
func TestStrangersAreWarnedOf(t *testing.T) {
	t.Parallel()
	const warning = `msg="others may create in the schema of the tables"`
	databaseURL, owner := leastRights(t)
	m := master(t, answers(nothing))
	if e := invoke(once(m, databaseURL)...).want(t, exitOK); strings.Contains(e.stderr, warning) {
		t.Errorf("with the rights of docs/grants.sql: %v", e)
	}
	pgtest.Exec(t, owner, "GRANT CREATE ON SCHEMA public TO PUBLIC")
	invoke(once(m, databaseURL)...).want(t, exitOK).says(t, warning, "roles=PUBLIC")
	p := startRun(t, m, databaseURL)
	p.logs(warning)
	p.stop()
	role := open(t, databaseURL)
	pgtest.Exec(t, role, "CREATE FUNCTION public.convert_to(text, text) RETURNS bytea LANGUAGE sql AS $$ SELECT ''::bytea $$")
	pgtest.Exec(t, owner, grantsFile(t, owner.Config().ConnConfig.Database))
	invoke(once(m, databaseURL)...).want(t, exitOK).says(t, warning, `roles=""`, "functions=convert_to")
}
