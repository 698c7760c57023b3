package config

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
)

// proxyVariables name, for each scheme of a master, the variables in which net/http looks for a
// proxy. The first one that is set counts.
var proxyVariables = map[string][2]string{
	"http":  {"HTTP_PROXY", "http_proxy"},
	"https": {"HTTPS_PROXY", "https_proxy"},
}

// Proxy returns the address, without credentials, of the proxy between this shard and its master;
// "": there is none. HTTPS_PROXY, HTTP_PROXY and NO_PROXY decide, as net/http reads them, once in
// the life of a process.
//
// A value that is not an address is an error here. net/http would take it for no proxy at all, or
// for one called http: requests would go past the proxy, or nowhere. The error does not show the
// value, which may hold a password.
func Proxy(master *url.URL) (string, error) {
	names := proxyVariables[master.Scheme]
	if value := cmp.Or(os.Getenv(names[0]), os.Getenv(names[1])); value != "" && !isProxy(value) {
		return "", fmt.Errorf("%s: its value is not the address of a proxy (it is not shown, it may hold a password): "+
			"give http://[USER:PASSWORD@]HOST:PORT with special characters percent-encoded, or unset it", names[0])
	}
	proxy, err := http.ProxyFromEnvironment(&http.Request{URL: master})
	if err != nil {
		return "", fmt.Errorf("proxy to the master: %w", err)
	}
	if proxy == nil {
		return "", nil
	}
	return proxy.Scheme + "://" + proxy.Host, nil
}

func isProxy(address string) bool {
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	u, err := url.Parse(address)
	return err == nil && slices.Contains([]string{"http", "https", "socks5", "socks5h"}, u.Scheme) && u.Hostname() != ""
}
