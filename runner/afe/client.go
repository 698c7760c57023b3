package afe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"shardclient/runner/answer"

	"github.com/hashicorp/go-retryablehttp"
)

const rpcPath = "/afe/server/noauth/rpc/"

// Client calls shard_heartbeat on one master. It is safe for concurrent use.
type Client struct {
	options Options
	http    *retryablehttp.Client
	log     *slog.Logger

	mu       sync.Mutex
	protocol Protocol // the version to try first
}

// NewClient returns a client that has not called the master yet. The error names the first option
// that is missing or cannot be used.
func NewClient(options Options) (*Client, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	c := &Client{options: options, log: options.Logger, protocol: options.Protocol}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.protocol == ProtocolAuto {
		c.protocol = Protocol2019
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
	transport.TLSClientConfig = options.TLS
	// The size of an answer is bounded as it comes over the wire; a compressed one could grow
	// behind that bound. The original asks for identity too.
	transport.DisableCompression = true
	// Each request has a connection of its own
	// (docs/decisions/0037-a-connection-for-each-request.md).
	transport.DisableKeepAlives = true
	// And so HTTP/2, made for many requests on one, is not spoken
	// (docs/decisions/0073-http-1-1-only.md).
	transport.Protocols = new(http.Protocols)
	transport.Protocols.SetHTTP1(true)
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport: transport,
			// Go would follow a 301 with a GET, which the master cannot read, and a redirect could
			// lead the packet to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:       retries,
		RetryWaitMin:   retryWaitMin,
		RetryWaitMax:   retryWaitMax,
		CheckRetry:     c.checkRetry,
		Backoff:        c.backoff,
		ErrorHandler:   retryablehttp.PassthroughErrorHandler,
		RequestLogHook: countAttempt,
	}
	return c, nil
}

// Close closes connections that a proxy keeps open. The client can still be used.
func (c *Client) Close() { c.http.HTTPClient.CloseIdleConnections() }

// Heartbeat sends the packet and returns the decoded result, or an [*Error]. It waits no longer
// than [Options].Timeout, and less when ctx ends.
//
// With [ProtocolAuto] it changes to the master's version within the same beat, in either direction
// (docs/protocol.md), and remembers it for the next packet.
func (c *Client) Heartbeat(ctx context.Context, packet *Packet) (*Response, error) {
	ctx, cancel := c.withDeadline(ctx)
	defer cancel()
	made := &attempts{}
	ctx = context.WithValue(ctx, attemptsKey{}, made)
	protocol := c.Protocol()
	response, err := c.call(ctx, packet, protocol, made)
	other, ok := c.otherProtocol(protocol, err)
	if !ok {
		return response, err
	}
	c.log.Info("master speaks another protocol", "tried", protocol, "now", other, "error", err)
	c.mu.Lock()
	c.protocol = other
	c.mu.Unlock()
	made.n-- // the refused request was answered; copies of it that were not may still be under way
	return c.call(ctx, packet, other, made)
}

// Protocol returns the version that the next packet starts with; never [ProtocolAuto].
func (c *Client) Protocol() Protocol {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.protocol
}

// otherProtocol returns the version that the master speaks when its error shows that the one tried
// is wrong: a 2015 master complains about an argument that it does not have, a 2019 one about
// statuses that are missing.
func (c *Client) otherProtocol(tried Protocol, err error) (Protocol, bool) {
	var rpc *RPCError
	if c.options.Protocol != ProtocolAuto || !errors.As(err, &rpc) {
		return "", false
	}
	switch {
	case tried == Protocol2019 && rpc.Name == "TypeError" && strings.Contains(rpc.Message, "known_host_statuses"):
		return Protocol2015, true
	case tried == Protocol2015 && rpc.Name == "AssertionError":
		return Protocol2019, true
	}
	return "", false
}

func (c *Client) call(ctx context.Context, packet *Packet, protocol Protocol, made *attempts) (*Response, error) {
	address := c.endpoint(protocol).Redacted()
	response, failure := c.post(ctx, packet, protocol, made)
	if failure == nil {
		response.Protocol, response.Sent, response.Size = protocol, made.size, response.answer.Size
		response.Sure = made.n == 1
		if response.Incomplete != nil {
			response.Incomplete = &Error{Class: Incomplete, URL: address, Err: response.Incomplete}
		}
		return response, nil
	}
	failure.URL, failure.Tries, failure.Sent = address, made.n, made.size
	clear := failure.Class == RPC && made.n == 1 || failure.Class == Internal && made.n == 0
	failure.Unsure = !clear
	return nil, failure
}

// post returns the answer, if that is a 200.
func (c *Client) post(ctx context.Context, packet *Packet, protocol Protocol, made *attempts) (*Response, *Error) {
	body, err := packet.Body(protocol)
	made.size = int64(len(body))
	if err != nil {
		return nil, &Error{Class: Internal, Err: fmt.Errorf("encode packet: %w", err)}
	}
	request, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, c.endpoint(protocol).String(), body)
	if err != nil {
		return nil, &Error{Class: Internal, Err: fmt.Errorf("build request: %w", err)}
	}
	request.Header.Set("Authorization", c.options.User)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", c.options.UserAgent)
	response, err := c.http.Do(request)
	if err != nil {
		return nil, &Error{Class: interrupted(ctx), Err: withCause(ctx, withoutAddress(err))}
	}
	defer func() { _ = response.Body.Close() }() // what was wanted of it has been read
	if response.StatusCode != http.StatusOK {
		// A status is an answer, whatever becomes of the page behind it.
		page, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
		return nil, &Error{
			Class:    HTTPStatus,
			Status:   response.StatusCode,
			Location: response.Header.Get("Location"),
			Body:     string(page),
		}
	}
	return c.read(ctx, response)
}

// read reads at most MaxResponseBytes (docs/promises.md, "unbounded answer").
func (c *Client) read(ctx context.Context, response *http.Response) (*Response, *Error) {
	limit := c.options.MaxResponseBytes
	if response.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	received, err := receive(&limited{response.Body, limit, limit}, response.ContentLength, c.options.SpoolDir)
	var failure *Error
	switch {
	case err == nil:
		return received, nil
	case errors.As(err, &failure):
		return nil, failure
	case errors.As(err, new(*answer.SpoolError)):
		return nil, &Error{Class: Spool, Err: err}
	}
	return nil, &Error{Class: interrupted(ctx), Err: withCause(ctx, fmt.Errorf("read answer: %w", err))}
}

func tooLarge(limit int64) *Error {
	return &Error{
		Class: TooLarge,
		Err:   fmt.Errorf("answer exceeds %d bytes (--max-response-bytes)", limit),
	}
}

// limited fails when a body has more bytes than allowed.
type limited struct {
	body        io.Reader
	left, limit int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.body.Read(p[:min(int64(len(p)), l.left+1)])
	if l.left -= int64(n); l.left < 0 {
		return 0, tooLarge(l.limit)
	}
	return n, err
}

// endpoint differs only in the query string, which the 2015 client did not send.
func (c *Client) endpoint(protocol Protocol) *url.URL {
	u := c.options.Master.JoinPath(rpcPath)
	if protocol == Protocol2019 {
		u.RawQuery = "method=" + method
	}
	return u
}
