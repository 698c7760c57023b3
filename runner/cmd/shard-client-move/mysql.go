package main

import (
	"cmp"
	"errors"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"

	"shardclient/runner/autotest"
	"shardclient/runner/config"
	"shardclient/runner/flags"
	"shardclient/runner/move"
)

// mysql returns how to reach the shard's MySQL: by the flag, or else by [AUTOTEST_WEB] of the files
// that the Python client reads. What is secret in it is hidden from now on.
func (p *program) mysql(flag, address, passwordFile string) (*mysql.Config, error) {
	password := os.Getenv("MYSQL_PWD")
	if passwordFile != "" {
		text, err := os.ReadFile(passwordFile)
		if err != nil {
			return nil, &config.SettingError{Flag: "mysql-password-file", Cause: "it cannot be read (" + err.Error() + ")", Hint: "give a file that this user can read"}
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	if address == "" {
		var err error
		if address, err = p.fromAutotest(); err != nil {
			return nil, err
		}
		if address == "" {
			return nil, &config.SettingError{Flag: flag, Cause: "it is missing", Hint: "give mysql://USER@HOST:PORT/DATABASE, or --autotest-config with an [AUTOTEST_WEB] section"}
		}
	}
	p.secrets.Add(password, secretOf(address))
	c, err := move.ParseAddress(address, password)
	if wrong, ok := errors.AsType[*move.AddressError](err); ok {
		cause, hint, _ := strings.Cut(wrong.Cause, ": ")
		return nil, &config.SettingError{Flag: flag, Cause: cause, Hint: hint}
	}
	if err == nil {
		p.secrets.Add(c.Passwd)
	}
	return c, err
}

// secretOf returns what stands where a URL has its password, even in one that is no URL.
func secretOf(address string) string {
	_, rest, _ := strings.Cut(address, "://")
	at := strings.LastIndex(rest, "@")
	if at < 0 {
		return ""
	}
	_, password, _ := strings.Cut(rest[:at], ":")
	return password
}

// fromAutotest makes an address of [AUTOTEST_WEB]; "": there is none. shard-client reads the same
// section as PostgreSQL's where it says so, or says nothing; then the section cannot mean MySQL,
// too, so --database-url must come from elsewhere.
func (p *program) fromAutotest() (string, error) {
	var all *autotest.File
	for _, path := range p.settings.AutotestConfig {
		text, err := os.ReadFile(path)
		if err != nil {
			return "", usageError{err}
		}
		file, err := autotest.Parse(path, string(text))
		if err != nil {
			return "", usageError{err}
		}
		if all == nil {
			all = file
		} else {
			all.Override(file)
		}
	}
	if all == nil {
		return "", nil
	}
	var err error
	get := func(key string) string {
		value, wrong := all.Get("AUTOTEST_WEB", key)
		err = errors.Join(err, wrong)
		return value.Text
	}
	kind, u := get("db_type"), url.URL{Scheme: "mysql"}
	if get("host") == "localhost" && get("port") == "" { // to MySQL's own library, that is a socket
		for _, path := range []string{"/run/mysqld/mysqld.sock", "/var/lib/mysql/mysql.sock"} {
			if _, err := os.Stat(path); err == nil {
				u.RawQuery = url.Values{"socket": {path}}.Encode()
			}
		}
	}
	u.Host = cmp.Or(get("host"), "localhost") + ":" + cmp.Or(get("port"), "3306")
	u.Path, u.User = get("database"), url.UserPassword(get("user"), get("password"))
	p.secrets.Add(get("password"))
	if err != nil || u.Path == "" || strings.Contains(strings.ToLower(kind), "postgres") {
		return "", err
	}
	if strings.Contains(flags.Source(p.flags.Lookup("database-url")), " [AUTOTEST_WEB] ") {
		return "", &config.SettingError{
			Flag: "database-url", Cause: "it is that of [AUTOTEST_WEB], which is the MySQL to move from",
			Hint: "give --database-url with the new PostgreSQL",
		}
	}
	return u.String(), nil
}
