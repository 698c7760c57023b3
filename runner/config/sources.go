package config

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"shardclient/runner/flags"
)

// Sources knows where the settings of one start are from.
type Sources struct {
	set *pflag.FlagSet
	// aside says why the database that Autotest's files name is not used; "": it is, or there is
	// none.
	aside string
	// secretFile is the one of Autotest's files that has the password in use; "": none has.
	secretFile string
	// passwordFrom is the place in it.
	passwordFrom string
}

// Complete gives the settings that are not on the command line their values from the environment,
// and then from the files of --autotest-config. The flags are those that package flags has made of
// c. The errors name setting, source and what is allowed; what could be read is in c all the same.
func (c *Config) Complete(set *pflag.FlagSet) (*Sources, error) {
	s := &Sources{set: set}
	err := flags.FromEnvironment(set)
	if len(c.AutotestConfig) == 0 {
		return s, err
	}
	files, wrong := c.readAutotest()
	if wrong != nil {
		return s, errors.Join(err, wrong)
	}
	return s, errors.Join(err, flags.FromFiles(set, "autotest", func(tag string) (string, string, error) {
		switch {
		case tag == webSection:
			return s.database(c, files)
		case strings.HasPrefix(tag, "NOTIFICATIONS ") && c.SMTPAddr == "":
			return "", "", nil // the files have addresses in every lab, and nobody has asked for mails
		}
		return valueOf(files, tag)
	}))
}

// Explain says in the errors about settings where the values are from, unless that is the command
// line.
func (s *Sources) Explain(err error) {
	if s == nil {
		return
	}
	switch e := err.(type) {
	case *SettingError:
		s.explain(e)
	case interface{ Unwrap() error }:
		s.Explain(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, one := range e.Unwrap() {
			s.Explain(one)
		}
	}
}

func (s *Sources) explain(e *SettingError) {
	flag := s.set.Lookup(e.Flag)
	if flag == nil {
		return
	}
	from := flags.Source(flag)
	switch {
	case from != "default" && from != "--"+e.Flag && !strings.HasPrefix(e.Cause, from):
		e.Cause = from + ": " + e.Cause
	case from == "default" && e.Flag == "database-url" && len(locating()) > 0:
		if names := strings.Join(locating(), ", "); !strings.HasPrefix(e.Cause, names) {
			e.Cause = names + ": " + e.Cause
		}
	case from == "default" && e.Flag == "database-url" && s.aside != "" && !strings.Contains(e.Cause, s.aside):
		e.Cause += "; " + s.aside
		e.Hint += ", or write db_type: postgresql below [AUTOTEST_WEB] in a later file"
	}
}

// ExposedFiles returns those of [Config.ExposedFiles], and Autotest's file with the password in use
// if everybody may read or write it. Autotest's group shares that file.
func (s *Sources) ExposedFiles(c *Config) []ExposedFile {
	exposed := c.ExposedFiles()
	if info, err := os.Stat(s.secretFile); err == nil && info.Mode().Perm()&0o007 != 0 {
		exposed = append(exposed, ExposedFile{"--autotest-config", s.secretFile, info.Mode().Perm()})
	}
	return exposed
}

// Closed returns the command that closes the file to those who may not know the secret.
func (f ExposedFile) Closed() string {
	if f.Setting == "--autotest-config" {
		return "chmod o= " + f.Path
	}
	return "chmod 600 " + f.Path
}

// Setting is one setting as this start has it.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"` // in force, also where it is a default; without secrets
	// Source is the flag, the variable, PATH:LINE with section and key, or "default".
	Source string `json:"source"`
}

// Settings returns every setting, in the order of the help.
func (s *Sources) Settings(c *Config) (list []Setting) {
	login, _ := c.Login() // "": the commands that need one say so
	inForce := map[string]string{
		"user":           login,
		"master":         withoutLogin(c.Master),
		"smtp-addr":      withoutLogin(c.SMTPAddr),
		"statsd-addr":    withoutLogin(c.StatsdAddr),
		"startup-splay":  flags.Short(c.Splay()),
		"beat-timeout":   flags.Short(c.WholeBeat()),
		"finish-timeout": flags.Short(c.WholeStop()),
		"spool-dir":      cmp.Or(c.SpoolDir, os.TempDir()),
		"database-url":   c.RedactedDatabaseURL(),
	}
	s.set.VisitAll(func(flag *pflag.Flag) {
		if !flags.IsSetting(flag) {
			return
		}
		one := Setting{flag.Name, cmp.Or(inForce[flag.Name], flags.Text(flag)), flags.Source(flag)}
		if flag.Name == "database-url" && c.DatabaseURL == "" && one.Value != "" {
			one.Source = strings.Join(locating(), ", ")
		}
		list = append(list, one)
	})
	return list
}

// Connection returns what else decides a connection to the database, beside the settings: where the
// password is from that is used, and the timeout, 0 where nobody gives one.
func (s *Sources) Connection(c *Config, password string, timeout, standard time.Duration) []Setting {
	parts, _ := parseDatabaseURL(string(c.DatabaseURL)) // one that cannot be taken apart was refused
	url := flags.Source(s.set.Lookup("database-url"))
	service := cmp.Or(parts.value("service"), os.Getenv("PGSERVICE"))
	secret := Setting{"database-password", "***", first(
		password == "", "none is given",
		c.DatabaseURL.hasPassword(), cmp.Or(s.passwordFrom, url),
		c.DatabasePasswordFile != "", c.DatabasePasswordFile,
		credentialFile() != "", "credential "+passwordCredential,
		password == os.Getenv("PGPASSWORD"), "PGPASSWORD",
		service != "", "service "+service+", or "+c.DatabaseURL.passfile(),
		true, c.DatabaseURL.passfile(),
	)}
	if password == "" {
		secret.Value = ""
	}
	return []Setting{secret, {"database-connect-timeout", flags.Short(cmp.Or(timeout, standard)), first(
		parts.value("connect_timeout") != "", url,
		os.Getenv("PGCONNECT_TIMEOUT") != "", "PGCONNECT_TIMEOUT",
		timeout != 0, "service "+service,
		true, "default",
	)}}
}

// first returns the text behind the first condition that holds.
func first(pairs ...any) string {
	return pairs[slices.Index(pairs, any(true))+1].(string)
}

// withoutLogin hides the user and the password that an address must not have; it is shown all the
// same, beside the error about it.
func withoutLogin(address string) string {
	i := strings.LastIndex(address, "@")
	if i < 0 {
		return address
	}
	scheme, _, found := strings.Cut(address[:i], "://")
	if !found {
		return "***" + address[i:]
	}
	return scheme + "://***" + address[i:]
}

// locating returns those of libpq's variables that say where the database is.
func locating() (names []string) {
	for _, name := range locatingVariables {
		if os.Getenv(name) != "" {
			names = append(names, name)
		}
	}
	return names
}
