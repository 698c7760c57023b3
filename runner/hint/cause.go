package hint

import (
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"syscall"
)

// cause is what a failure may come from, and what to do about it.
type cause struct {
	is func(error) bool
	// says is what the text of such an error has, by which it is known again once only the text is
	// left: alternatives with | between them; "": it is not known again.
	says   string
	remedy string
}

// recorded reports whether a text is that of such an error.
func (c *cause) recorded(text string) bool {
	for says := range strings.SplitSeq(c.says, "|") {
		if says != "" && strings.Contains(text, says) {
			return true
		}
	}
	return false
}

// remedyOf returns the remedy for the first cause that fits; otherwise the other one.
func remedyOf(causes []cause, err error, otherwise string) string {
	for _, c := range causes {
		if c.is(err) {
			return c.remedy
		}
	}
	return otherwise
}

// isA reports whether an error has a cause of one type.
func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func is(cause error) func(error) bool {
	return func(err error) bool { return errors.Is(err, cause) }
}

func isExpired(err error) bool {
	invalid, ok := errors.AsType[x509.CertificateInvalidError](err)
	return ok && invalid.Reason == x509.Expired
}

// isUnreachable reports whether a connection could not be made, and only the time that went by, or
// a router, says so.
func isUnreachable(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial" &&
		(op.Timeout() || errors.Is(op, syscall.EHOSTUNREACH) || errors.Is(op, syscall.ENETUNREACH))
}
