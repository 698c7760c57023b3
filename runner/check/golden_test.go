package check

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"shardclient/gen/sharddb"
	"shardclient/runner/pgtest"
)

var update = flag.Bool("update", false, "rewrite objects.txt and rights.txt")

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.WithServer(m)) }

func golden(t *testing.T, file string, have []string) {
	t.Helper()
	text := strings.Join(have, "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), text); diff != "" {
		t.Errorf("go test ./runner/check -update rewrites %s (-there +made):\n%s", file, diff)
	}
}

// objects.txt is what the migrations make.
func TestObjectsAreThoseOfTheMigrations(t *testing.T) {
	rows, err := sharddb.New(pgtest.Pool(t)).CheckObjects(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var objects []string
	for _, row := range rows {
		if objects = append(objects, row.Object); !row.Whole {
			t.Errorf("%s is not whole", row.Object)
		}
	}
	slices.Sort(objects) // by bytes, and not as a language sorts
	golden(t, "objects.txt", objects)
}

// rights.txt is what docs/grants.sql grants on tables and functions.
func TestRightsAreThoseOfGrants(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("..", "..", "docs", "grants.sql"))
	if err != nil {
		t.Fatal(err)
	}
	var rights []string
	grants := regexp.MustCompile(`(?m)^GRANT ([^;]+?)\s+ON (?:FUNCTION )?(\w+(?:\([^)]*\))?) TO :"role";$`).FindAllStringSubmatch(string(file), -1)
	for _, grant := range grants {
		for _, one := range regexp.MustCompile(`([A-Z]+)(?: \(([^)]+)\))?`).FindAllStringSubmatch(grant[1], -1) {
			for _, column := range strings.Split(one[2], ", ") {
				rights = append(rights, one[1]+"\t"+column+"\t"+grant[2])
			}
		}
	}
	if other := len(regexp.MustCompile(`(?m)^GRANT .* ON (DATABASE|SCHEMA) `).FindAllString(string(file), -1)); len(grants)+other != strings.Count(string(file), "\nGRANT ") {
		t.Errorf("%d of the GRANTs were understood", len(grants)+other)
	}
	golden(t, "rights.txt", rights)
}
