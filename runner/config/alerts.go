package config

import (
	"net/mail"
	"strings"
)

// checkAddresses refuses what is outside ASCII, too: not every mail server takes it.
func checkAddresses(flag, list string) error {
	_, err := mail.ParseAddressList(list)
	bad := strings.IndexFunc(list, func(r rune) bool { return r != ' ' && notGraphicASCII(r) })
	var cause string
	switch {
	case list == "":
		return nil
	case bad >= 0:
		cause = unusable(list[bad:])
	case err != nil:
		cause = strings.TrimPrefix(err.Error(), "mail: ")
	default:
		return nil
	}
	return &SettingError{Flag: flag, Value: list, Cause: cause, Hint: "give an address such as lab@example.com"}
}
