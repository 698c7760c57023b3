// Package moving has what shard-client and shard-client-move both know: the commands that move a
// shard between Autotest's MySQL and PostgreSQL, with their flags, and where the other program is.
// It links no driver (docs/decisions/0076-the-move-is-a-program-of-its-own.md).
package moving

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"shardclient/runner/command"
)

// Program is what does the work.
const Program = "shard-client-move"

// Libexec is where packages put it.
const Libexec = "/usr/libexec/shard-client"

// MySQL are the flags about the other database that both have.
type MySQL struct {
	PasswordFile string `name:"mysql-password-file" env:"SHARD_CLIENT_MYSQL_PASSWORD_FILE" placeholder:"FILE" help:"File with MySQL's password; otherwise it is in the URL, or in MYSQL_PWD."`
}

// Import are the flags of `import`.
type Import struct {
	From string `env:"SHARD_CLIENT_IMPORT_FROM" placeholder:"mysql://USER@HOST/DATABASE" help:"The shard's MySQL; otherwise that of [AUTOTEST_WEB] in the files of --autotest-config."`
	MySQL
	All    bool `help:"Move finished jobs, results and sessions, too."`
	DryRun bool `help:"Try all of it, report, and change nothing."`
}

// Help implements the interface of package command.
func (*Import) Help() string {
	return "Copies what a shard of Autotest's Python client needs into a database that only `migrate up` has touched, in one " +
		"transaction: hosts, labels, groups, users; jobs that are open, unsent or of several entries. What PostgreSQL does not take as it is, is " +
		"mended and listed. Then the counts, the references and the jobs that wait are compared. After a failure start it again; " +
		"where everything is here, nothing is changed. It takes the role that owns the tables.\n\n" +
		"Stop the Python client and the scheduler first. The URL takes socket=PATH, tls=true|skip-verify|preferred and tls-ca=FILE. docs/migrating.md has the whole way."
}

// Export are the flags of `export`.
type Export struct {
	To string `env:"SHARD_CLIENT_EXPORT_TO" placeholder:"mysql://USER@HOST/DATABASE" help:"The shard's MySQL; otherwise that of [AUTOTEST_WEB] in the files of --autotest-config."`
	MySQL
	DryRun bool `help:"Try all of it, report, and change nothing."`
}

// Help implements the interface of package command.
func (*Export) Help() string {
	return "The way back, within the first day: hosts, jobs, entries and keyvals that came or changed since the import are written to the MySQL that " +
		"was imported, in one transaction. What is unsent here is unsent there. Nothing here is changed, and it may be done again.\n\n" +
		"Stop shard-client and the scheduler first."
}

// Commands are the two, each with what it does.
func Commands(database []string, in, out any) []command.Command {
	return []command.Command{
		{Name: "import", About: "Move a shard in from the Python client's MySQL.", Do: in, Needs: append([]string{"autotest-config", "output"}, database...),
			Example: "shard-client import --from mysql://autotest@localhost/chromeos_autotest_db --dry-run"},
		{Name: "export", About: "Move what has changed since back to that MySQL.", Do: out, Needs: append([]string{"autotest-config", "output"}, database...),
			Example: "shard-client export --to mysql://autotest@localhost/chromeos_autotest_db"},
	}
}

// Start replaces this process by the program, with these arguments. It returns only an error.
func Start(arguments []string) error {
	path, err := find()
	if err != nil {
		return err
	}
	err = syscall.Exec(path, append([]string{Program}, arguments...), os.Environ())
	return fmt.Errorf("start %s: %w", path, err)
}

// find looks beside this program, where packages put it, and then on PATH.
func find() (string, error) {
	var places []string
	if own, err := os.Executable(); err == nil {
		if real, err := filepath.EvalSymlinks(own); err == nil {
			own = real
		}
		places = append(places, filepath.Join(filepath.Dir(own), Program))
	}
	for _, path := range append(places, filepath.Join(Libexec, Program)) {
		if _, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(Program)
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%s is neither beside this program, nor in %s, nor on PATH: it comes with the package and the tarball; "+
			"from source, make build makes both", Program, Libexec)
	}
	return path, err
}
