package afe

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"
	"unicode"

	"shardclient/runner/plain"
)

// Options are what [NewClient] needs to call a master. All fields are required but TLS,
// MaxRetryAfter, SpoolDir, BeforeRetry and Logger.
type Options struct {
	// Master is the address of the master, with the path prefix of a reverse proxy if there is one.
	Master *url.URL
	// User is the login that the master sees. It asks for no password, and adds a user that it does
	// not have yet.
	User string
	// TLS is for an https master; nil: Go's defaults.
	TLS *tls.Config
	// Protocol is the version to speak.
	Protocol Protocol
	// Timeout bounds one heartbeat with all its retries.
	Timeout time.Duration
	// MaxRetryAfter bounds the wait that a Retry-After header asks for; 0: 30 s.
	MaxRetryAfter time.Duration
	// MaxResponseBytes bounds the body of an answer.
	MaxResponseBytes int64
	// SpoolDir is the directory for answers that are too long for memory, while they are read;
	// empty: that of the system for temporary files.
	SpoolDir string
	// UserAgent names this program in the master's access log.
	UserAgent string
	// BeforeRetry hears of each attempt that failed and will be repeated; nil: nobody does.
	BeforeRetry func(Retry)
	// Logger hears of failed attempts and of a change of protocol; nil: nothing is logged.
	Logger *slog.Logger
}

// Retry is an attempt that failed, and the wait before the next one.
type Retry struct {
	Err     error // why it failed
	Try, Of int   // its number, and how many there will be at most
	Wait    time.Duration
}

// check returns an error that names the first field with which no client can work.
func (o *Options) check() error {
	switch {
	case o.Master == nil || o.Master.Host == "":
		return errors.New("afe: Options.Master has no host: want the address of the master")
	case o.Master.Scheme != "http" && o.Master.Scheme != "https":
		return fmt.Errorf("afe: Options.Master has the scheme %s: want http or https", plain.Quote(o.Master.Scheme))
	case !isHeader(o.User):
		return fmt.Errorf("afe: Options.User is %s: want a user name that a header can hold", plain.Quote(o.User))
	case o.Protocol != Protocol2015 && o.Protocol != Protocol2019 && o.Protocol != ProtocolAuto:
		return fmt.Errorf("afe: Options.Protocol is %s: want 2015, 2019 or auto", plain.Quote(string(o.Protocol)))
	case o.Timeout <= 0:
		return fmt.Errorf("afe: Options.Timeout is %v: want more than 0", o.Timeout)
	case o.MaxRetryAfter < 0:
		return fmt.Errorf("afe: Options.MaxRetryAfter is %v: want 0 or more", o.MaxRetryAfter)
	case o.MaxResponseBytes <= 0:
		return fmt.Errorf("afe: Options.MaxResponseBytes is %d: want at least 1", o.MaxResponseBytes)
	case !isHeader(o.UserAgent):
		return fmt.Errorf("afe: Options.UserAgent is %s: want a name that a header can hold", plain.Quote(o.UserAgent))
	}
	return nil
}

// isHeader reports whether a header can hold a text. Where it cannot, net/http fails each call, and
// that looked like a master that is out of reach.
func isHeader(text string) bool {
	return text != "" && !strings.ContainsFunc(text, unicode.IsControl)
}
