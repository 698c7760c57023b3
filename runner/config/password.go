package config

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"strings"
)

// passwordCredential is the name by which a systemd unit hands out the password of the database
// (LoadCredential=).
const passwordCredential = "shard-client.database-password"

// credentialFile returns the file of the unit's credential; "" where there is none, which the unit
// names whether the operator has written it or not.
func credentialFile() string {
	path := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), passwordCredential)
	if _, err := os.Stat(path); err != nil || !isCredential(path) {
		return ""
	}
	return path
}

// DatabasePassword returns the password in DatabasePasswordFile, or in the unit's credential. Each
// call reads the file again, so a rotated password serves the next connection. It returns ""
// without such a file, and when the database URL has a password of its own, which goes first. The
// error is a [*SettingError] that shows nothing of the file.
func (c *Config) DatabasePassword() (string, error) {
	const flag = "database-password-file"
	path := cmp.Or(c.DatabasePasswordFile, credentialFile())
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

// HasSecret reports whether the connection string holds a password of any kind. A string in which a
// password cannot be told from the rest counts as holding one.
func (d DatabaseURL) HasSecret() bool {
	parts, err := parseDatabaseURL(string(d))
	return err != nil && d != "" || strings.Join(parts.passwords(), "") != ""
}

// hasPassword reports whether the connection string names the password of its user.
func (d DatabaseURL) hasPassword() bool {
	parts, err := parseDatabaseURL(string(d))
	return err != nil && d != "" || parts.password != "" || parts.value("password") != ""
}

// passwords returns the passwords in the connection string, each as given and percent-decoded.
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

// passfile returns the file in which libpq and the driver look for passwords; "" when none is
// known.
func (d DatabaseURL) passfile() string {
	parts, _ := parseDatabaseURL(string(d)) // a string that cannot be taken apart names no file
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
