package main

import (
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"shardclient/runner/config"
)

// commandLine is the grammar that kong parses. Every command accepts every setting, so that one
// environment serves them all.
type commandLine struct {
	config.Config `embed:""`

	RunCommand   runCommand        `cmd:"" name:"run" help:"Beat until stopped."`
	Once         onceCommand       `cmd:"" help:"Beat once and print the result."`
	Migrate      migrateCommand    `cmd:"" help:"Bring the schema of the database up or down, or show where it is."`
	Quarantine   quarantineCommand `cmd:"" help:"Objects that could not be stored or sent."`
	PrintVersion versionCommand    `cmd:"" name:"version" help:"Print version and schema version."`
}

// parse reads the command line and checks the settings. After --help and after usage errors it
// returns no command, but the exit code.
func (p *program) parse(args []string) (*kong.Context, int) {
	exited, code := false, exitOK
	line := &commandLine{}
	options := append(config.KongOptions(),
		kong.Name("shard-client"),
		kong.Description("Keeps a shard's database in agreement with its Autotest master, one heartbeat at a time."),
		kong.Writers(p.stdout, p.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		// kong would end the process after --help, and the tests with it.
		kong.Exit(func(status int) { exited, code = true, status }),
	)
	parser, err := kong.New(line, options...)
	if err != nil {
		panic(err) // a mistake in the tags above
	}
	command, err := parser.Parse(args)
	// The variables that may be wrong are left out; at first all but the one that it obeys.
	for _, kept := range []string{"output", ""} {
		if !asksForVersion(err) {
			break
		}
		for _, flag := range parser.Model.Flags {
			if flag.Name != kept {
				flag.Tag.Envs = nil
			}
		}
		command, err = parser.Parse(args)
	}
	p.settings, p.secrets = &line.Config, line.Secrets(args)
	switch {
	case p.unprinted() != nil: // the help
		return nil, p.exitCode(p.unprinted())
	case exited:
		return nil, code
	case err != nil:
		return nil, p.exitCode(&usageError{fmt.Errorf("%w\ntry: shard-client --help", err)})
	}
	p.typed = typed(command)
	if command.Command() == "version" {
		return command, exitOK // answers in a broken environment too
	}
	if err := line.ValidateSettings(); err != nil {
		return nil, p.exitCode(&usageError{err})
	}
	return command, exitOK
}

// asksForVersion reports whether a command line that cannot be used is that of version. It answers
// whatever the environment holds, because an operator asks for it when something is wrong.
func asksForVersion(err error) bool {
	var unusable *kong.ParseError
	return errors.As(err, &unusable) && unusable.Context.Command() == "version"
}

// typed returns the names of the flags that stand on the command line itself.
func typed(command *kong.Context) map[string]bool {
	flags := map[string]bool{}
	for _, part := range command.Path {
		if part.Flag != nil && !part.Resolved {
			flags[part.Flag.Name] = true
		}
	}
	return flags
}
