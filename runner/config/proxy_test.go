package config

import (
	"net/url"
	"strings"
	"testing"
)

// Values that net/http would ignore or misread. Those that it can use are tested where a process of
// its own reads them (runner/cmd/shard-client).
func TestProxyRefuses(t *testing.T) {
	for _, address := range []string{
		"http://user:hunter2@pro xy:3128", "http://user:hunter2%ZZ@proxy", "user:hunter2@proxy:port", "ftp://user:hunter2@proxy",
		"http://", "http://user:hunter2@", "//hunter2",
	} {
		for scheme, variable := range map[string]string{"http": "HTTP_PROXY", "https": "HTTPS_PROXY"} {
			t.Setenv("HTTP_PROXY", "")
			t.Setenv("HTTPS_PROXY", "")
			for _, name := range []string{variable, strings.ToLower(variable)} {
				t.Setenv(name, address)
				_, err := Proxy(&url.URL{Scheme: scheme, Host: "master.test"})
				if err == nil || !strings.HasPrefix(err.Error(), variable+": ") || strings.Contains(err.Error(), "hunter2") {
					t.Errorf("%s=%s: error %v, want one that names the variable and shows nothing", name, address, err)
				}
				t.Setenv(name, "")
			}
		}
	}
}

func TestIsProxy(t *testing.T) {
	for _, address := range []string{
		"proxy", "proxy:3128", "http://proxy", "http://proxy:3128/", "https://u:p@proxy:3128", "u:p@proxy:1",
		"socks5://proxy:1080", "http://[::1]:3128",
	} {
		if !isProxy(address) {
			t.Errorf("%s is refused", address)
		}
	}
}
