package afe

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
	"unicode"

	"shardclient/runner/plain"

	"github.com/hashicorp/go-retryablehttp"
)

const rpcPath = "/afe/server/noauth/rpc/"

// Options say whom to call and how. All fields are needed but TLS, MaxRetryAfter and Logger.
type Options struct {
	Master           *url.URL
	User             string      // bare user name: the master creates whoever calls
	TLS              *tls.Config // of an https master; nil: Go's own defaults
	Protocol         Protocol
	Timeout          time.Duration // of one beat with all its retries
	MaxRetryAfter    time.Duration // bounds a Retry-After; 0: 30 s
	MaxResponseBytes int64
	UserAgent        string
	Logger           *slog.Logger
}

// Client calls shard_heartbeat on one master.
type Client struct {
	options Options
	http    *retryablehttp.Client
	log     *slog.Logger

	mu       sync.Mutex
	protocol Protocol // the version to try first
}

// check returns an error that names the first field that no client can work with.
func (o *Options) check() error {
	switch {
	case o.Master == nil || o.Master.Host == "":
		return errors.New("afe: Options.Master has no host: want the address of the master")
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

// isHeader reports whether a header can hold a text. net/http fails each call where one cannot,
// and that looked like a master that is out of reach.
func isHeader(text string) bool {
	return text != "" && !strings.ContainsFunc(text, unicode.IsControl)
}

// NewClient returns a client that has not called anyone yet. It fails when an option is missing
// that has no default.
func NewClient(options Options) (*Client, error) {
	if err := options.check(); err != nil {
		return nil, err
	}
	c := &Client{options: options, log: cmp.Or(options.Logger, slog.New(slog.DiscardHandler)), protocol: options.Protocol}
	if c.protocol == ProtocolAuto {
		c.protocol = Protocol2019
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() // with the proxies of the environment
	transport.TLSClientConfig = options.TLS
	// The answer's size is bounded as it comes over the wire; a compressed one
	// could grow behind that bound. The original asks for identity too.
	transport.DisableCompression = true
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport: transport,
			// Go would follow a 301 with a GET, which the master cannot read, and a
			// redirect could lead the packet to another host.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     retries,
		RetryWaitMin: retryWaitMin,
		RetryWaitMax: retryWaitMax,
		CheckRetry:   c.checkRetry,
		Backoff:      c.backoff,
		ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(_ retryablehttp.Logger, r *http.Request, _ int) {
			*r.Context().Value(attemptsKey{}).(*int)++
		},
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.HTTPClient.CloseIdleConnections() }

// Heartbeat sends the packet and returns the decoded result, or an *Error. With
// ProtocolAuto it follows the master's version within the same beat, in either
// direction (docs/protocol.md).
func (c *Client) Heartbeat(ctx context.Context, packet *Packet) (*Response, error) {
	timeout := c.options.Timeout
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w: %s ran out (--rpc-timeout)", context.DeadlineExceeded, timeout))
	defer cancel()
	attempts := 0
	ctx = context.WithValue(ctx, attemptsKey{}, &attempts)
	protocol := c.Protocol()
	response, err := c.call(ctx, packet, protocol, &attempts)
	other, ok := c.otherProtocol(protocol, err)
	if !ok {
		return response, err
	}
	c.log.Info("master speaks another protocol", "tried", protocol, "now", other, "error", err)
	c.mu.Lock()
	c.protocol = other
	c.mu.Unlock()
	attempts-- // the refused request was answered; copies of it that were not may still be under way
	return c.call(ctx, packet, other, &attempts)
}

// Protocol is the version that the next packet starts with.
func (c *Client) Protocol() Protocol {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.protocol
}

// otherProtocol reads from an RPC error that the master is of the other version:
// a 2015 one does not know the argument, a 2019 one misses the statuses.
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

func (c *Client) call(ctx context.Context, packet *Packet, protocol Protocol, attempts *int) (*Response, error) {
	body, failure := c.post(ctx, packet, protocol)
	if failure == nil {
		response, err := decode(body)
		if err == nil {
			response.Protocol = protocol
			response.Sure = *attempts == 1
			if response.Incomplete != nil {
				response.Incomplete = &Error{Class: Incomplete, URL: c.endpoint(protocol).Redacted(), Err: response.Incomplete}
			}
			return response, nil
		}
		failure = err
	}
	failure.URL = c.endpoint(protocol).Redacted()
	clear := failure.Class == RPC && *attempts == 1 || failure.Class == Internal && *attempts == 0
	failure.Unsure = !clear
	return nil, failure
}

// post returns the body of a 200.
func (c *Client) post(ctx context.Context, packet *Packet, protocol Protocol) ([]byte, *Error) {
	body, err := packet.Body(protocol)
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
		return nil, &Error{Class: interrupted(ctx), Err: withCause(ctx, err)}
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		// A status is an answer, whatever becomes of the page behind it.
		page, _ := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
		return nil, &Error{
			Class: HTTPStatus, Status: response.StatusCode, Location: response.Header.Get("Location"), Body: string(page),
		}
	}
	return c.read(ctx, response)
}

// maxTrusted is how much memory is taken at the word of a Content-Length, in bytes. What Go cannot
// allocate ends the process, and no recovery helps.
const maxTrusted = 128 << 20

// read takes at most MaxResponseBytes into memory (docs/decisions.md, fault 6).
func (c *Client) read(ctx context.Context, response *http.Response) ([]byte, *Error) {
	limit := c.options.MaxResponseBytes
	tooLarge := &Error{Class: TooLarge, Err: fmt.Errorf("answer exceeds %d bytes; raise --max-response-bytes if it is meant to", limit)}
	if response.ContentLength > limit {
		return nil, tooLarge
	}
	var body bytes.Buffer
	if response.ContentLength > 0 {
		body.Grow(int(min(response.ContentLength, maxTrusted)) + bytes.MinRead)
	}
	if _, err := body.ReadFrom(io.LimitReader(response.Body, limit+1)); err != nil {
		return nil, &Error{Class: interrupted(ctx), Err: withCause(ctx, fmt.Errorf("read answer: %w", err))}
	}
	if int64(body.Len()) > limit {
		return nil, tooLarge
	}
	return body.Bytes(), nil
}

// endpoint differs only in the query string, which the 2015 client did not send.
func (c *Client) endpoint(protocol Protocol) *url.URL {
	u := c.options.Master.JoinPath(rpcPath)
	if protocol == Protocol2019 {
		u.RawQuery = "method=" + method
	}
	return u
}

// interrupted tells a time-out from a broken connection.
func interrupted(ctx context.Context) Class {
	if ctx.Err() != nil {
		return Deadline
	}
	return Transport
}

// withCause names why a context ended: the beat's deadline or a shutdown.
func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
