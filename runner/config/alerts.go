package config

import (
	"net/mail"
	"strings"
)

// StateDirectory returns StateDir; of several, as systemd may give them, the first one.
func (c *Config) StateDirectory() string {
	first, _, _ := strings.Cut(c.StateDir, ":")
	return first
}

// checkAddresses refuses what is outside ASCII, too: not every mail server takes it.
func checkAddresses(flag, list string, most int) error {
	parsed, err := mail.ParseAddressList(list)
	bad := strings.IndexFunc(list, func(r rune) bool { return r != ' ' && notGraphicASCII(r) })
	var cause string
	switch {
	case list == "":
		return nil
	case bad >= 0:
		cause = unusable(list[bad:])
	case err != nil:
		cause = strings.TrimPrefix(err.Error(), "mail: ")
	case len(parsed) > most:
		cause = "it is more than one address"
	default:
		return nil
	}
	return &SettingError{Flag: flag, Value: list, Cause: cause, Hint: "give an address such as lab@example.com"}
}
