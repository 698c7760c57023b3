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

// Addresses returns the bare addresses of a list that has been checked.
func Addresses(list string) (bare []string) {
	parsed, _ := mail.ParseAddressList(list)
	for _, one := range parsed {
		bare = append(bare, one.Address)
	}
	return bare
}

func checkAddresses(flag, list string, most int) error {
	if list == "" {
		return nil
	}
	_, err := mail.ParseAddressList(list)
	bare := Addresses(list)
	cause := ""
	switch {
	case err != nil:
		cause = strings.TrimPrefix(err.Error(), "mail: ")
	case len(bare) > most:
		cause = "it is more than one address"
	case strings.IndexFunc(strings.Join(bare, ""), notGraphicASCII) >= 0:
		cause = "an address is outside ASCII, which not every mail server takes"
	default:
		return nil
	}
	return &SettingError{Flag: flag, Value: list, Cause: cause, Hint: "give an address such as lab@example.com"}
}
