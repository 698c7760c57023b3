package config

import (
	"cmp"
	"errors"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// rpcPath is where a master serves the heartbeat; the client adds it to the master's address.
const rpcPath = "/afe/server/noauth/rpc"

const masterHint = "give a host, HOST:PORT or a URL (http://HOST[:PORT])"

// MasterURL returns the address of the master: scheme, host, optional port, and the path prefix of
// a reverse proxy if there is one, without a slash at its end. Without a scheme it is http, as in
// the original. An IPv6 address may stand with or without brackets; a port needs them.
//
// Credentials in the address are refused rather than dropped: the master has no passwords, it takes
// the user from --user, and an address is logged. The error is a [*SettingError]; it does not show
// an address that holds an @.
func (c *Config) MasterURL() (*url.URL, error) {
	if c.Master == "" {
		return nil, missingMaster()
	}
	if strings.Contains(c.Master, "@") {
		return nil, &SettingError{
			Flag: "master", Cause: "it holds a user or password, which the master does not ask for",
			Hint: "leave out everything up to the @, and name the user by --user",
		}
	}
	u, err := parseMaster(c.Master)
	if err == nil {
		err = cmp.Or(checkMasterHost(u), checkMasterRest(u))
	}
	if err != nil {
		return nil, &SettingError{"master", c.Master, err.Error(), masterHint}
	}
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), ""
	return u, nil
}

func (c *Config) checkMaster() error {
	if c.Master == "" {
		return nil
	}
	_, err := c.MasterURL()
	return err
}

func missingMaster() *SettingError {
	return missing("master", "there is no master to beat to", "the master's address (host, HOST:PORT or URL)")
}

// parseMaster splits an address after putting http:// before one without a scheme.
func parseMaster(address string) (*url.URL, error) {
	if i := strings.IndexFunc(address, notGraphicASCII); i >= 0 {
		return nil, errors.New(unusable(address[i:]))
	}
	if ip, err := netip.ParseAddr(address); err == nil && ip.Is6() {
		return &url.URL{Scheme: "http", Host: "[" + address + "]"}, nil
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	// A url.Error repeats the address, which our error names already.
	if parse, ok := errors.AsType[*url.Error](err); ok {
		err = parse.Err
	}
	return u, err
}

func checkMasterHost(u *url.URL) error {
	port, err := strconv.Atoi(u.Port())
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("its scheme " + quoted(u.Scheme) + " is not http or https")
	case u.Hostname() == "":
		return errors.New("it names no host")
	// "http:/master" and "http:master" would otherwise be a host called http.
	case u.Hostname() == "http" || u.Hostname() == "https":
		return errors.New("its scheme is not followed by //")
	case strings.HasSuffix(u.Host, ":"):
		return errors.New("its port is missing after the colon")
	case u.Port() != "" && (err != nil || port < 1 || port > 65535):
		return errors.New("its port is not between 1 and 65535")
	}
	return nil
}

func checkMasterRest(u *url.URL) error {
	switch {
	case u.RawQuery != "" || u.ForceQuery:
		return errors.New("it has a query (?)")
	case u.Fragment != "":
		return errors.New("it has a fragment (#)")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), rpcPath):
		return errors.New("it ends in " + rpcPath + ", which is added to it")
	}
	return nil
}
