package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"shardclient/runner/autotest"
)

// Paths is a list of files. As a variable it is one text, with colons between them.
type Paths []string

// UnmarshalText adds files to the list.
func (p *Paths) UnmarshalText(text []byte) error {
	for path := range strings.SplitSeq(string(text), string(os.PathListSeparator)) {
		if path == "" {
			return errors.New("give a path, or several with colons between them")
		}
		*p = append(*p, path)
	}
	return nil
}

// MarshalText returns the list as a variable has it.
func (p Paths) MarshalText() ([]byte, error) {
	return []byte(strings.Join(p, string(os.PathListSeparator))), nil
}

// readAutotest reads the files of --autotest-config, of which later ones override earlier ones.
func (c *Config) readAutotest() (all *autotest.File, err error) {
	const flag = "autotest-config"
	for _, path := range c.AutotestConfig {
		text, err := readFile(flag, path)
		if err != nil {
			return nil, err
		}
		file, err := autotest.Parse(path, string(text))
		if wrong, ok := errors.AsType[*autotest.Error](err); ok {
			return nil, &SettingError{
				Flag: flag, Value: path, Cause: fmt.Sprintf("line %d: %s", wrong.Line, wrong.Cause),
				Hint: "correct the line, Autotest cannot read it either",
			}
		}
		if all == nil {
			all = file
		} else {
			all.Override(file)
		}
	}
	return all, nil
}

// webSection is where Autotest's files describe the database.
const webSection = "AUTOTEST_WEB"

// placeholder is what Autotest's global_config.ini has for values that each lab has to give.
var placeholder = regexp.MustCompile(`^(?:USE|SEE|SET IN) SHADOW\b`)

// get returns a value and where it stands; "" where there is none, or only a placeholder.
func get(files *autotest.File, section, key string) (text, source string, err error) {
	value, err := files.Get(section, key)
	if err != nil {
		return "", "", fmt.Errorf("[%s] %s: %w", section, key, err)
	}
	if placeholder.MatchString(value.Text) {
		return "", "", nil
	}
	return value.Text, fmt.Sprintf("%s [%s] %s", value.Place(), section, key), nil
}

// valueOf returns the first value that one of several `SECTION key` has. Autotest counts times in
// seconds, in keys that say so.
func valueOf(files *autotest.File, tag string) (text, source string, err error) {
	for place := range strings.SplitSeq(tag, ",") {
		section, key, _ := strings.Cut(place, " ")
		text, source, err = get(files, section, key)
		switch {
		case err != nil:
			return "", "", err
		case text != "" && strings.HasSuffix(key, "_sec"):
			return seconds(text, source)
		case key == "hostname": // only what the original sent to statsd begins with it
			return strings.ReplaceAll(text, ".", "_"), source, nil
		case text != "":
			return text, source, nil
		}
	}
	return "", "", nil
}

func seconds(text, source string) (string, string, error) {
	_, err := time.ParseDuration(text + "s")
	if err != nil || strings.Trim(text, "-.0123456789") != "" {
		return "", "", fmt.Errorf("%s: %s cannot be used: give seconds, such as 60 or 0.5", source, quoted(text))
	}
	return text + "s", source, nil
}

// database makes a connection string of [AUTOTEST_WEB]. It is used whole or not at all: only where
// no variable of libpq says where a database is, and where it describes PostgreSQL. Usually it
// describes MySQL, and a client that asks a wrong server for ever is of no use to anybody.
func (s *Sources) database(c *Config, files *autotest.File) (text, source string, err error) {
	if len(locating()) > 0 {
		return "", "", nil
	}
	parts := map[string]string{}
	for _, key := range []string{"db_type", "password", "user", "port", "database", "host"} {
		value, from, wrong := get(files, webSection, key)
		if err = errors.Join(err, wrong); value != "" {
			parts[key], source = value, from
		}
		parts[key+" from"] = from
	}
	if err != nil || parts["host"] == "" && parts["database"] == "" {
		return "", "", err
	}
	kind := strings.ToLower(parts["db_type"])
	switch {
	case kind != "" && !strings.Contains(kind, "postgres"):
		s.aside = fmt.Sprintf("%s is %s, so the database of that section is not used", parts["db_type from"], quoted(kind))
		return "", "", nil
	case kind == "" && parts["port"] == mysqlPort:
		s.aside = fmt.Sprintf("%s is that of MySQL, so the database of that section is not used", parts["port from"])
		return "", "", nil
	}
	if port := parts["port"]; port != "" {
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '0' {
			return "", "", fmt.Errorf("%s: %s cannot be used: give a port from 1 to 65535", parts["port from"], quoted(port))
		}
	}
	if c.DatabasePasswordFile != "" || os.Getenv("PGPASSWORD") != "" {
		parts["password"] = "" // a flag or a variable goes before a file
	}
	if parts["password"] != "" {
		value, _ := files.Get(webSection, "password") // it was read without an error above
		s.secretFile, s.passwordFrom = value.Path, parts["password from"]
	}
	var list []string
	for _, pair := range [][2]string{{"host", "host"}, {"port", "port"}, {"user", "user"}, {"password", "password"}, {"dbname", "database"}} {
		if value := parts[pair[1]]; value != "" {
			list = append(list, pair[0]+"="+quoteValue(value))
		}
	}
	return strings.Join(list, " "), source, nil
}

const mysqlPort = "3306"
