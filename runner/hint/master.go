package hint

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"shardclient/runner/afe"
)

// causesOfMaster are what a failed call of the master may come from; the first that fits counts.
var causesOfMaster = slices.Concat(noAnswer, notOK, notOurs, exceptions)

var noAnswer = []cause{
	// What a proxy does comes first: it is not the master that is out of reach.
	{throughProxy, "proxyconnect", "start the proxy, or correct its address in HTTP_PROXY, HTTPS_PROXY or NO_PROXY"},
	{isA[*net.DNSError], "no such host|server misbehaving", "correct the host name in --master, or the name server of this machine"},
	{is(syscall.ECONNREFUSED), "connection refused", "start the master's web server, or correct host and port of --master"},
	{isUnreachable, "i/o timeout|no route to host|network is unreachable", "look at the routes and firewalls between here and the master, and at --master"},
	{isA[x509.UnknownAuthorityError], "unknown authority", "give --ca-file the certificate of the authority that vouches for the master"},
	{isA[x509.HostnameError], "certificate is valid for|doesn't contain any IP SANs|is not valid for any names", "write the host of --master as the master's certificate names it"},
	{isNotYet, notYet, "set the clock of this machine, or wait: the certificate of the master is not valid yet"},
	{isExpired, "certificate has expired", "renew the certificate of the master, or set the clock of this machine"},
	{of((*afe.Error).SpeaksHTTP), "server gave HTTP response to HTTPS client|first record does not look like a TLS handshake", "write --master with http://, or with the port that speaks https"},
	{of((*afe.Error).SpeaksTLS), "malformed HTTP response", "write --master with https://, or with the port that speaks http"},
	{of(certificateRefused), "remote error: tls: ", "give --client-cert and --client-key a certificate that the master accepts"},
	{of(closed), "connection reset by peer|EOF", "read the log of the master's web server, which closed the connection; if that port speaks https, " +
		"write --master with https://"},
}

// notOK is an answer that is not 200.
var notOK = []cause{
	{status(300, 399), "answered HTTP 3", "name in --master the address that the redirect points to"},
	{status(401, 401), "answered HTTP 401", "let the master's web server take requests for /afe/server/noauth/ without a password"},
	{status(403, 403), "answered HTTP 403", "let the master's web server, or a proxy before it, accept requests from this machine"},
	{status(404, 404), "answered HTTP 404", "correct --master: something else than an Autotest AFE answers there"},
	{status(407, 407), "answered HTTP 407", "put user and password of the proxy into HTTP_PROXY or HTTPS_PROXY"},
	{status(413, 413), "answered HTTP 413", "raise the limit of the proxy for a request if it stays, the upload gets smaller by itself"},
	{status(429, 429), "answered HTTP 429", "wait, the master or a proxy before it asks for patience"},
	{status(500, 500), "answered HTTP 500", "read the log of the master if it stays; a record that is to blame is set aside by itself"},
	{status(502, 503), "answered HTTP 502|answered HTTP 503", "ask whether the master is up, the proxy before it is"},
	{status(504, 504), "answered HTTP 504", "look at the load of the master, the proxy before it gave up waiting"},
}

// notOurs is an answer that is none of the master's.
var notOurs = []cause{
	{of(pageForPeople), "<!DOCTYPE|<!doctype|<html|<HTML", "correct --master, or the proxy between: a page for people came in place of the master's answer"},
}

// exceptions are those of the master.
var exceptions = []cause{
	{raises("ServiceMethodNotFound", ""), "refused it: ServiceMethodNotFound", "upgrade the master, or correct --master: this one has no shard_heartbeat"},
	{raises("", "Shard matching query does not exist"), "Shard matching query does not exist", "add this shard on the master, or correct --shard-hostname"},
	{raises("", "get() returned more than one Shard "), "get() returned more than one Shard ", "remove all but one of the shards with this name on the master"},
	{raises("DoesNotExist", ""), "refused it: DoesNotExist", "wait, the host that is gone on the master is set aside by itself"},
	{raises("UnallowedRecordsSentToMaster", ""), "refused it: UnallowedRecordsSentToMaster", "wait, the record that the master does not take is set aside by itself"},
	{raises("AclAccessViolation", ""), "refused it: AclAccessViolation", "make the --user a superuser on the master, or a member of an ACL group of the host"},
	{raises("TypeError", ""), "refused it: TypeError", "set --protocol to auto, which finds out what the master speaks"},
	{raises("AssertionError", ""), "refused it: AssertionError", "set --protocol to auto, which finds out what the master speaks"},
}

// of lets a question about the failure of a call be asked about an error.
func of(question func(*afe.Error) bool) func(error) bool {
	return func(err error) bool {
		failure, ok := errors.AsType[*afe.Error](err)
		return ok && question(failure)
	}
}

func throughProxy(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "proxyconnect"
}

// certificateRefused reports whether the master has ended the handshake.
func certificateRefused(failure *afe.Error) bool {
	return failure.Class == afe.Transport && strings.Contains(failure.Err.Error(), "remote error: tls: ")
}

// closed reports whether a connection was closed before it brought an answer.
func closed(failure *afe.Error) bool {
	if failure.Class != afe.Transport || strings.Contains(failure.Err.Error(), "read answer: ") {
		return false
	}
	return errors.Is(failure, syscall.ECONNRESET) || errors.Is(failure, io.EOF)
}

func status(from, to int) func(error) bool {
	return of(func(failure *afe.Error) bool {
		return failure.Class == afe.HTTPStatus && failure.Status >= from && failure.Status <= to
	})
}

func pageForPeople(failure *afe.Error) bool {
	return failure.Class == afe.Undecodable &&
		strings.HasPrefix(http.DetectContentType([]byte(failure.Body)), "text/html")
}

// raises asks for an exception by its name, or by the beginning of its text.
func raises(name, message string) func(error) bool {
	return of(func(failure *afe.Error) bool {
		return failure.RPC != nil && (name == "" || failure.RPC.Name == name) &&
			strings.HasPrefix(failure.RPC.Message, message)
	})
}
