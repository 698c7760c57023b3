package config

import (
	"net/mail"
	"os"
	"strings"
)

// Alert says where a mail about an end of shard-client goes, and how.
type Alert struct {
	To           []string
	From, Server string
}

// Alert returns where mails go; nil: none are to be sent. The error is a [*SettingError] about what
// is missing. It is for `run` alone: other commands may share its environment without a directory
// of state, which systemd gives to a unit.
func (c *Config) Alert() (*Alert, error) {
	switch {
	case c.AlertEmailTo == "" && c.SMTPAddr == "":
		return nil, nil
	case c.AlertEmailTo == "":
		return nil, missing("alert-email-to", "--smtp-addr is set, and nobody to mail to", "one or more addresses, with commas between")
	case c.SMTPAddr == "":
		return nil, missing("smtp-addr", "--alert-email-to is set, and no server to send by", "the HOST:PORT of a mail server, such as localhost:25")
	case c.StateDirectory() == "":
		return nil, missing("state-dir", "without one, a client that dies at each start would send a mail each time",
			"a directory that this user may write to, or StateDirectory= in the systemd unit")
	}
	from := c.AlertEmailFrom
	if from == "" {
		host, err := os.Hostname()
		if err != nil {
			host = "localhost"
		}
		from = "shard-client@" + host
	}
	return &Alert{To: addresses(c.AlertEmailTo), From: addresses(from)[0], Server: c.SMTPAddr}, nil
}

// StateDirectory returns StateDir; of several, as systemd may give them, the first one.
func (c *Config) StateDirectory() string {
	first, _, _ := strings.Cut(c.StateDir, ":")
	return first
}

// addresses returns the bare addresses of a list; one that cannot be read is returned whole.
func addresses(list string) (bare []string) {
	parsed, err := mail.ParseAddressList(list)
	if err != nil {
		return []string{list}
	}
	for _, one := range parsed {
		bare = append(bare, one.Address)
	}
	return bare
}

func checkAddresses(flag, list string, most int) error {
	if list == "" {
		return nil
	}
	parsed, err := mail.ParseAddressList(list)
	cause := ""
	switch {
	case err != nil:
		cause = strings.TrimPrefix(err.Error(), "mail: ")
	case len(parsed) > most:
		cause = "it is more than one address"
	case strings.IndexFunc(strings.Join(addresses(list), ""), notGraphicASCII) >= 0:
		cause = "an address is outside ASCII, which not every mail server takes"
	default:
		return nil
	}
	return &SettingError{Flag: flag, Value: list, Cause: cause, Hint: "give an address such as lab@example.com"}
}
