package config

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// DatabasePassword is the one in DatabasePasswordFile, read anew by each call, so that a rotated password serves the
// next connection. It is "" where there is no such file, and where the database URL has a password of its own, which
// goes first. The error is a *SettingError and shows nothing of what the file holds.
func (c *Config) DatabasePassword() (string, error) {
	const flag = "database-password-file"
	path := c.DatabasePasswordFile
	if path == "" || c.DatabaseURL.hasPassword() {
		return "", nil
	}
	content, err := readFile(flag, path)
	if err != nil {
		return "", err
	}
	password := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	hint := "put the password into it, and nothing else but a newline at its end"
	switch {
	case password == "":
		return "", &SettingError{flag, path, "it is empty", hint}
	case strings.ContainsAny(password, "\n\x00"):
		return "", &SettingError{flag, path, "it holds more than a password: several lines, or a NUL character", hint}
	}
	return password, nil
}

// HasSecret tells whether the connection string holds a password of any kind. One that cannot be told apart from its
// password is said to hold one.
func (d DatabaseURL) HasSecret() bool {
	parts, err := parseDatabaseURL(string(d))
	return err != nil && d != "" || strings.Join(parts.passwords(), "") != ""
}

// hasPassword tells whether the connection string names the password of its user.
func (d DatabaseURL) hasPassword() bool {
	parts, err := parseDatabaseURL(string(d))
	return err != nil && d != "" || parts.password != "" || parts.value("password") != ""
}

// passwords are those in the connection string, as given and as meant.
func (d DatabaseURL) passwords() []string {
	parts, err := parseDatabaseURL(string(d))
	if err != nil {
		return nil
	}
	var passwords []string
	for _, raw := range parts.passwords() {
		passwords = append(passwords, raw, decoded(raw))
	}
	return passwords
}

// passfile is where the driver looks for passwords, as libpq does.
func (d DatabaseURL) passfile() string {
	parts, _ := parseDatabaseURL(string(d)) // one that cannot be taken apart names no file
	path := cmp.Or(parts.value("passfile"), os.Getenv("PGPASSFILE"))
	if path != "" {
		return path
	}
	me, err := user.Current()
	if err != nil {
		return ""
	}
	return filepath.Join(me.HomeDir, ".pgpass")
}
