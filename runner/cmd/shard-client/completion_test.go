package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"shardclient/runner/binaries"
	"shardclient/runner/command"
)

// Each word of a command line can be completed that is one of a list.
func TestWordsAreCompleted(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{ // the words that are offered; ...: among others
		"onc":                         "once",
		"migrate ":                    "up down status grant repair",
		"migrate s":                   "status",
		"--log-level debug migrate d": "down",
		"--log-level=debug migrate d": "down",
		"help migr":                   "migrate",
		"help set":                    "settings",
		"run --adop":                  "--adopt",
		"once --lo":                   "--lock-timeout --log-format --log-level --log-dir",
		"version --adop":              "",
		"once --output ":              "text json",
		"once --output = j":           "json", // as bash takes it apart
		"once --output =":             "text json",
		"once --output=j":             "--output=json",
		"--protocol 20":               "2015 2019",
		"completion ":                 "bash zsh fish",
		"completion bash ":            "",
		"run --ca-file ":              ":files",
		"run --client-key /etc/x":     ":files",
		"run --spool-dir ":            ":directories",
		"once --master ":              "",
		"nonsense ":                   "run ...",
		"once --nonsense ":            "",
		"once -- --":                  "",
		"-":                           "--help ...",
		"":                            "run ... help",
	} {
		e := invoke(append([]string{command.CompletionWord}, strings.Split(line, " ")...)...).want(t, exitOK)
		var got []string
		for row := range strings.Lines(e.stdout) {
			word, _, _ := strings.Cut(strings.TrimSpace(row), "\t")
			got = append(got, word)
		}
		words := strings.Fields(want)
		if i := slices.Index(words, "..."); i >= 0 && len(got) >= len(words) {
			got = slices.Concat(got[:i], []string{"..."}, got[len(got)-len(words)+i+1:])
		}
		if !slices.Equal(got, words) {
			t.Errorf("%q: got %q, want %q", line, got, words)
		}
	}
	invoke("completion", "tcsh").want(t, exitUsage).says(t, `"tcsh"`, "give one of bash, zsh, fish")
}

// Bash itself completes a command line with the script. The other shells are in .ci/shells.
func TestBashCompletes(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if err := os.WriteFile(filepath.Join(directory, "notes.pem"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const script = `source <(shard-client completion bash)
		COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
		_shard_client_complete && printf '%s ' "${COMPREPLY[@]}"
		complete -p shard-client`
	for want, words := range map[string][]string{
		"up down status grant repair ": {"shard-client", "migrate", ""},
		"json ":                        {"shard-client", "once", "--output", "=", "j"},
		"text json ":                   {"shard-client", "once", "--output", "="},
		directory + "/notes.pem ":      {"shard-client", "run", "--ca-file", directory + "/"},
	} {
		cmd := exec.Command("bash", append([]string{"--norc", "-c", script, "bash"}, words...)...)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(binaries.ShardClient(t))+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if got, registered, _ := strings.Cut(string(out), "complete "); err != nil || got != want || registered != "-F _shard_client_complete shard-client\n" {
			t.Errorf("%q: got %q, %v, want %q", words, out, err, want)
		}
	}
}

// The manual page is made of the same table as the help.
func TestManual(t *testing.T) {
	t.Parallel()
	page := invoke("man").want(t, exitOK).stdout
	path := filepath.Join("..", "..", "..", "deploy", "man", "shard-client.1")
	if *update {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stored, err := os.ReadFile(path)
	if err != nil || string(stored) != page {
		t.Errorf("%s is not made of the commands and settings of today, %v; -update writes it", path, err)
	}
	for _, c := range commands() {
		if c.Do != nil && !strings.Contains(page, "\n.SS shard\\-client "+strings.ReplaceAll(c.Name, "-", `\-`)) {
			t.Errorf("%s is not in the manual", c.Name)
		}
	}
}
