// Package moving has what shard-client and shard-client-move both know: the commands that move a
// shard between Autotest's MySQL and PostgreSQL, with their flags, and where the other program is.
// It links no driver (docs/decisions/0076-the-move-is-a-program-of-its-own.md).
package moving

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"shardclient/runner/command"
)

// Program does the work, and packages put it into Libexec.
const (
	Program = "shard-client-move"
	Libexec = "/usr/libexec/shard-client"
)

// Move has the flags that both commands have.
type Move struct {
	PasswordFile string `name:"mysql-password-file" env:"SHARD_CLIENT_MYSQL_PASSWORD_FILE" placeholder:"FILE" help:"File with MySQL's password; otherwise it is in the URL, or in MYSQL_PWD."`
	DryRun       bool   `help:"Try all of it, report, and change nothing."`
}

// Import are the flags of `import`.
type Import struct {
	From string `env:"SHARD_CLIENT_IMPORT_FROM" placeholder:"mysql://USER@HOST/DATABASE" help:"The shard's MySQL; otherwise that of [AUTOTEST_WEB] in the files of --autotest-config."`
	All  bool   `help:"Move finished jobs, results and sessions, too."`
	Move
}

// Help implements the interface of package command.
func (*Import) Help() string {
	return `Copies what a shard of Autotest's Python client needs into a database that only "migrate up" has touched, in one transaction: hosts, labels, groups, users; jobs that are open, unsent or of several entries. What PostgreSQL does not take as it is, is mended and listed. Then the counts, the references and the jobs that wait are compared. After a failure start it again; where everything is here, nothing is changed. It takes the role that owns the tables.

Stop the Python client and the scheduler first. The URL takes socket=PATH, tls=true|skip-verify|preferred and tls-ca=FILE. docs/migrating.md has the whole way.`
}

// Export are the flags of `export`.
type Export struct {
	To string `env:"SHARD_CLIENT_EXPORT_TO" placeholder:"mysql://USER@HOST/DATABASE" help:"The shard's MySQL; otherwise that of [AUTOTEST_WEB] in the files of --autotest-config."`
	Move
}

// Help implements the interface of package command.
func (*Export) Help() string {
	return `The way back, within the first day: hosts, jobs, entries and keyvals that came or changed since the import are written to the MySQL that was imported, in one transaction. What is unsent here is unsent there. Nothing here is changed, and it may be done again. It takes the role that owns the tables.

Stop shard-client and the scheduler first.`
}

// Commands are the two, each with what it does.
func Commands(in, out any) []command.Command {
	needs := []string{"autotest-config", "database-url", "database-password-file", "output"}
	return []command.Command{
		{Name: "import", About: "Move a shard in from the Python client's MySQL.", Do: in, Needs: needs,
			Example: "shard-client import --from mysql://autotest@localhost/autotest_web --dry-run"},
		{Name: "export", About: "Move what has changed since back to that MySQL.", Do: out, Needs: needs,
			Example: "shard-client export --to mysql://autotest@localhost/autotest_web"},
	}
}

// Start replaces this process by the program, with these arguments. The program is beside this one,
// where packages put it, or on PATH. Start returns only an error.
func Start(arguments []string) error {
	own, _ := os.Executable() // "": not beside it
	for _, path := range []string{filepath.Join(filepath.Dir(own), Program), filepath.Join(Libexec, Program), Program} {
		if found, err := exec.LookPath(path); err == nil {
			return fmt.Errorf("start %s: %w", found, syscall.Exec(found, append([]string{Program}, arguments...), os.Environ()))
		}
	}
	return fmt.Errorf("%s is neither beside this program, nor in %s, nor on PATH: it comes with the packages and the tarball, and make build makes it", Program, Libexec)
}
