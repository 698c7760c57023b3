package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDatabasePassword(t *testing.T) {
	for content, want := range map[string]string{
		"hunter2": "hunter2", "hunter2\n": "hunter2", "hunter2\r\n": "hunter2", " hunter 2 \n": " hunter 2 ", "hünter\"%2": "hünter\"%2",
	} {
		c := Config{DatabaseURL: "postgres://u@h/d", DatabasePasswordFile: file(t, "password", content)}
		if got, err := c.DatabasePassword(); err != nil || got != want {
			t.Errorf("%q: %q, error %v; want %q", content, got, err, want)
		}
	}
}

func TestDatabasePasswordRefuses(t *testing.T) {
	for content, want := range map[string]string{
		"": "is empty", "\n": "is empty", "hunter2\n\n": "several lines", "h:5432:d:u:hunter2\nx": "several lines", "hunter2\x00": "NUL",
	} {
		c := Config{DatabasePasswordFile: file(t, "password", content)}
		_, err := c.DatabasePassword()
		setting, ok := errors.AsType[*SettingError](err)
		if !ok || setting.Flag != "database-password-file" ||
			!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter") {
			t.Errorf("%q: error %v, want one that says %q and nothing of the content", content, err, want)
		}
	}
	_, err := (&Config{DatabasePasswordFile: "/no/such"}).DatabasePassword()
	want := `--database-password-file "/no/such": it cannot be read: no such file`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("no file: %v", err)
	}
}

// A unit names its credential whether the operator has written one or not.
func TestDatabasePasswordOfTheUnit(t *testing.T) {
	directory := t.TempDir()
	t.Setenv("CREDENTIALS_DIRECTORY", directory)
	c := Config{DatabaseURL: "postgres://u@h/d"}
	if got, err := c.DatabasePassword(); err != nil || got != "" {
		t.Errorf("without a credential: %q, error %v", got, err)
	}
	file(t, filepath.Join(directory, "shard-client.database-password"), "hunter2\n")
	if got, err := c.DatabasePassword(); err != nil || got != "hunter2" {
		t.Errorf("with a credential: %q, error %v", got, err)
	}
	c.DatabasePasswordFile = file(t, "password", "hunter3")
	if got, err := c.DatabasePassword(); err != nil || got != "hunter3" {
		t.Errorf("with a credential and a setting: %q, error %v", got, err)
	}
}

// The URL's own password goes first. The password of its key (sslpassword) does not count.
func TestDatabasePasswordGoesBehindTheURLs(t *testing.T) {
	path := file(t, "password", "hunter2")
	for url, want := range map[DatabaseURL]string{
		"": "hunter2", "postgres://h/d": "hunter2", "postgres://u@h/d?sslpassword=x": "hunter2", "host=h password=''": "hunter2",
		"postgres://u:x@h/d": "", "postgres://u@h/d?p%61ssword=x": "", "host=h password=x": "",
	} {
		if got, err := (&Config{DatabaseURL: url, DatabasePasswordFile: path}).DatabasePassword(); err != nil || got != want {
			t.Errorf("%s: %q, error %v; want %q", string(url), got, err, want)
		}
	}
}

func TestHasSecret(t *testing.T) {
	for url, want := range map[DatabaseURL]bool{
		"": false, "postgres://u@h/d": false, "host=h": false, "postgres://u:x@h/d": true, "host=h password=x": true,
		"postgres://h/d?sslpassword=x": true, "postgres://u:x@y@h/d": true,
	} {
		if got := url.HasSecret(); got != want {
			t.Errorf("%s: %t, want %t", string(url), got, want)
		}
	}
}

func TestExposedFiles(t *testing.T) {
	home := t.TempDir()
	credentials := t.TempDir()
	paths := map[string]string{}
	for name, mode := range map[string]os.FileMode{"closed": 0o600, "group": 0o640, "others": 0o604, "written": 0o602, "run": 0o700} {
		for _, directory := range []string{home, credentials} {
			path := file(t, filepath.Join(directory, name), "x")
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
		}
		paths[name] = filepath.Join(home, name)
	}
	fromSystemd := filepath.Join(credentials, "group")
	for name, tt := range map[string]struct {
		c         Config
		variables map[string]string
		want      []ExposedFile
	}{
		"none": {},
		"closed": {
			c:         Config{DatabasePasswordFile: paths["closed"], ClientKey: paths["run"]},
			variables: map[string]string{"PGPASSFILE": paths["closed"]},
		},
		"missing": {c: Config{DatabasePasswordFile: "/no/such"}},
		"password file": {
			c:    Config{DatabasePasswordFile: paths["group"]},
			want: []ExposedFile{{"--database-password-file", paths["group"], 0o640}},
		},
		"key": {
			c:    Config{ClientKey: paths["others"]},
			want: []ExposedFile{{"--client-key", paths["others"], 0o604}},
		},
		"certificate": {c: Config{ClientCert: paths["others"], CAFile: paths["others"]}},
		"PGPASSFILE": {
			variables: map[string]string{"PGPASSFILE": paths["written"]},
			want:      []ExposedFile{{"PGPASSFILE", paths["written"], 0o602}},
		},
		"passfile=": {
			c:    Config{DatabaseURL: DatabaseURL("host=h passfile=" + paths["group"])},
			want: []ExposedFile{{"PGPASSFILE", paths["group"], 0o640}},
		},
		"of a URL": {
			c:    Config{DatabaseURL: DatabaseURL("postgres://h/d?passfile=" + strings.ReplaceAll(paths["group"], "/", "%2F"))},
			want: []ExposedFile{{"PGPASSFILE", paths["group"], 0o640}},
		},
		"LoadCredential": {
			c:         Config{DatabasePasswordFile: fromSystemd},
			variables: map[string]string{"CREDENTIALS_DIRECTORY": credentials},
		},
		"elsewhere": {
			c:         Config{DatabasePasswordFile: paths["group"]},
			variables: map[string]string{"CREDENTIALS_DIRECTORY": credentials},
			want:      []ExposedFile{{"--database-password-file", paths["group"], 0o640}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("CREDENTIALS_DIRECTORY", "")
			setEnvironment(t, map[string]string{"PGPASSFILE": filepath.Join(home, "nothing")})
			for variable, value := range tt.variables {
				t.Setenv(variable, value)
			}
			if diff := cmp.Diff(tt.want, tt.c.ExposedFiles()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
