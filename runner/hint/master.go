package hint

import (
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"

	"shardclient/runner/afe"
)

// causesOfMaster are what a failed call of the master may come from; the first that fits counts.
var causesOfMaster = []cause{
	// No answer. What a proxy does comes first: it is not the master that is out of reach.
	{throughProxy, "start the proxy, or correct its address in HTTP_PROXY, HTTPS_PROXY or NO_PROXY"},
	{isA[*net.DNSError], "correct the host name in --master, or the name server of this machine"},
	{is(syscall.ECONNREFUSED), "start the master's web server, or correct host and port of --master"},
	{isUnreachable, "look at the routes and firewalls between here and the master, and at --master"},
	{isA[x509.UnknownAuthorityError], "give --ca-file the certificate of the authority that vouches for the master"},
	{isA[x509.HostnameError], "write the host of --master as the master's certificate names it"},
	{isExpired, "renew the certificate of the master, or set the clock of this machine"},
	{of((*afe.Error).SpeaksHTTP), "write --master with http://, or with the port that speaks https"},
	{of((*afe.Error).SpeaksTLS), "write --master with https://, or with the port that speaks http"},
	{of(certificateRefused), "give --client-cert and --client-key a certificate that the master accepts"},
	{of(closed), "read the log of the master's web server, which closed the connection; if that port speaks https, " +
		"write --master with https://"},

	// An answer that is not 200.
	{status(300, 399), "name in --master the address that the redirect points to"},
	{status(401, 401), "let the master's web server take requests for /afe/server/noauth/ without a password"},
	{status(403, 403), "let the master's web server, or a proxy before it, accept requests from this machine"},
	{status(404, 404), "correct --master: something else than an Autotest AFE answers there"},
	{status(407, 407), "put user and password of the proxy into HTTP_PROXY or HTTPS_PROXY"},
	{status(413, 413), "raise the limit of the proxy for a request if it stays, the upload gets smaller by itself"},
	{status(429, 429), "wait, the master or a proxy before it asks for patience"},
	{status(500, 500), "read the log of the master if it stays; a record that is to blame is set aside by itself"},
	{status(502, 503), "ask whether the master is up, the proxy before it is"},
	{status(504, 504), "look at the load of the master, the proxy before it gave up waiting"},

	// An answer that is none of the master's.
	{of(pageForPeople), "correct --master, or the proxy between: a page for people came in place of the master's answer"},

	// An exception of the master.
	{raises("ServiceMethodNotFound", ""), "upgrade the master, or correct --master: this one has no shard_heartbeat"},
	{raises("", "Shard matching query does not exist"), "add this shard on the master, or correct --shard-hostname"},
	{raises("", "get() returned more than one Shard "), "remove all but one of the shards with this name on the master"},
	{raises("DoesNotExist", ""), "wait, the host that is gone on the master is set aside by itself"},
	{raises("UnallowedRecordsSentToMaster", ""), "wait, the record that the master does not take is set aside by itself"},
	{raises("AclAccessViolation", ""), "make the --user a superuser on the master, or a member of an ACL group of the host"},
	{raises("TypeError", ""), "set --protocol to auto, which finds out what the master speaks"},
	{raises("AssertionError", ""), "set --protocol to auto, which finds out what the master speaks"},
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
