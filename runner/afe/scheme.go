package afe

import (
	"crypto/tls"
	"errors"
	"net/http"
	"slices"
	"strings"
)

// SpeaksHTTP reports whether an https master was called at a port that does not speak TLS.
func (e *Error) SpeaksHTTP() bool { return speaksHTTP(e.Err) }

func speaksHTTP(err error) bool {
	return errors.Is(err, http.ErrSchemeMismatch) || errors.As(err, new(tls.RecordHeaderError))
}

// SpeaksTLS reports whether an http master was called at a port that speaks TLS: it answers with an
// alert, or with a page that says so.
func (e *Error) SpeaksTLS() bool {
	return speaksTLS(e.Err) || e.Status == http.StatusBadRequest &&
		slices.ContainsFunc(wantsTLS, func(page string) bool { return strings.Contains(e.Body, page) })
}

// wantsTLS are the words of Go, nginx and Apache.
var wantsTLS = []string{"HTTP request to an HTTPS server", "HTTP request was sent to HTTPS port", "plain HTTP to an SSL-enabled"}

// speaksTLS looks for the beginning of a TLS alert, which net/http quotes and gives no type.
func speaksTLS(err error) bool {
	return err != nil && strings.Contains(err.Error(), `malformed HTTP response "\x15\x03`)
}
