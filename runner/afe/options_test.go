package afe

import (
	"net/url"
	"strings"
	"testing"
	"time"
)

// A field that a call would only fail at is named before there is a client.
func TestClientRefusesWhatWouldFailLater(t *testing.T) {
	good := func() Options {
		return Options{
			Master: &url.URL{Scheme: "http", Host: "m"}, User: "u", Protocol: ProtocolAuto, Timeout: time.Minute,
			MaxResponseBytes: 1, UserAgent: "a",
		}
	}
	if _, err := NewClient(good()); err != nil {
		t.Errorf("good options: %v", err)
	}
	for want, spoil := range map[string]func(*Options){
		`afe: Options.Master has no host: want the address of the master`: func(o *Options) { o.Master = nil },
		`afe: Options.Master has the scheme "ftp": want http or https`:    func(o *Options) { o.Master = &url.URL{Scheme: "ftp", Host: "m"} },
		`afe: Options.Master has the scheme "": want http or https`:       func(o *Options) { o.Master = &url.URL{Host: "m"} },
		`afe: Options.Master has no host: want`:                           func(o *Options) { o.Master = &url.URL{Path: "m"} },
		`afe: Options.User is "": want`:                                   func(o *Options) { o.User = "" },
		`afe: Options.User is "u\nv": want`:                               func(o *Options) { o.User = "u\nv" },
		`afe: Options.Protocol is "": want 2015, 2019 or auto`:            func(o *Options) { o.Protocol = "" },
		`afe: Options.Protocol is "2016": want 2015, 2019 or auto`:        func(o *Options) { o.Protocol = "2016" },
		`afe: Options.Timeout is 0s: want more than 0`:                    func(o *Options) { o.Timeout = 0 },
		`afe: Options.Timeout is -1s: want more than 0`:                   func(o *Options) { o.Timeout = -time.Second },
		`afe: Options.MaxRetryAfter is -1s: want 0 or more`:               func(o *Options) { o.MaxRetryAfter = -time.Second },
		`afe: Options.MaxResponseBytes is 0: want at least 1`:             func(o *Options) { o.MaxResponseBytes = 0 },
		`afe: Options.MaxResponseBytes is -1: want at least 1`:            func(o *Options) { o.MaxResponseBytes = -1 },
		`afe: Options.UserAgent is "": want`:                              func(o *Options) { o.UserAgent = "" },
	} {
		o := good()
		spoil(&o)
		if c, err := NewClient(o); c != nil || err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
