package afe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// A heartbeat is sent again at most three times, after 1, 2 and 4 seconds: long enough to meet a
// master that restarts, and short enough that one that is down fails the beat within seconds. The
// loop between beats does the rest.
const (
	retries      = 3
	retryWaitMin = time.Second
	retryWaitMax = 30 * time.Second
)

// promptly is how soon a master that restarts, or a proxy before it, turns a request away. A
// request that failed later was at work, and may be still: a second copy would only wait behind it
// in the master's queue, and the packet would be stored as often as it was sent.
const promptly = 10 * time.Second

// attemptsKey is where the context of a heartbeat keeps its *attempts.
type attemptsKey struct{}

// attempts are the requests of one heartbeat.
type attempts struct {
	n    int
	last time.Time // when the last one began
	size int64     // of the body of the last one, in bytes
}

func countAttempt(_ retryablehttp.Logger, r *http.Request, _ int) {
	a := r.Context().Value(attemptsKey{}).(*attempts)
	a.n++
	a.last = time.Now()
}

// checkRetry repeats a request that was turned away promptly: by a transport error, or by the
// statuses that a proxy gives while the master restarts. Everything else is an answer: the 500 of
// the original master would come again, and a JSON-RPC error is not retried within a beat
// (docs/promises.md, "fatal exception"). A 504 is the deadline of a proxy: the request still waits
// in the master's queue.
func (c *Client) checkRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	retry, status := false, 0
	if err != nil {
		retry, _ = retryablehttp.DefaultRetryPolicy(ctx, nil, err)
		retry = retry && !speaksHTTP(err) && !speaksTLS(err) // a wrong scheme stays wrong
	} else {
		status = response.StatusCode
		retry = isBusy(status)
	}
	if a, ok := ctx.Value(attemptsKey{}).(*attempts); ok && retry {
		wait := c.backoff(c.http.RetryWaitMin, c.http.RetryWaitMax, a.n-1, response)
		deadline, bounded := ctx.Deadline()
		// Where no attempt could begin in time, the failure of this one says more than a deadline
		// would.
		retry = (isUnsent(err) || time.Since(a.last) < promptly) && (!bounded || time.Until(deadline) > wait)
		if retry && a.n <= retries && c.options.BeforeRetry != nil {
			failed := cmp.Or(withoutAddress(err), fmt.Errorf("HTTP %d", status))
			c.options.BeforeRetry(Retry{Err: failed, Try: a.n, Of: retries + 1, Wait: wait})
		}
	}
	if err != nil || status != http.StatusOK {
		c.log.Debug("heartbeat attempt failed", "error", err, "status", status, "retry", retry)
	}
	return retry, nil
}

// withoutAddress leaves out the address that net/http puts before an error: it stands in ours.
func withoutAddress(err error) error {
	if named, ok := errors.AsType[*url.Error](err); ok {
		return named.Err
	}
	return err
}

// isUnsent reports whether a request failed before any of it left.
func isUnsent(err error) bool {
	dial, ok := errors.AsType[*net.OpError](err)
	return ok && dial.Op == "dial"
}

// isBusy reports whether a status asks for patience.
func isBusy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// backoff honours a Retry-After, up to the limit in the options. It never waits less than without
// one: a header that says 0 or names a moment in the past, as a clock that goes wrong makes it,
// must not let a thousand shards call again at once.
func (c *Client) backoff(least, most time.Duration, attempt int, response *http.Response) time.Duration {
	wait := retryablehttp.DefaultBackoff(least, most, attempt, nil)
	if response == nil {
		return wait
	}
	return max(wait, retryAfter(response.Header.Get("Retry-After"), cmp.Or(c.options.MaxRetryAfter, most)))
}

// retryAfter returns the wait that a header asks for, in seconds or by a date, but no more than
// most; 0 where it says nothing that can be understood.
func retryAfter(header string, most time.Duration) time.Duration {
	header = strings.TrimSpace(header)
	if date, err := http.ParseTime(header); err == nil {
		return min(time.Until(date), most)
	}
	seconds, err := strconv.ParseInt(header, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange) && seconds > 0, seconds > int64(most/time.Second):
		return most
	default:
		return time.Duration(seconds) * time.Second // 0 after an error
	}
}

// withDeadline bounds one heartbeat. The cause names the setting that an operator can change.
func (c *Client) withDeadline(ctx context.Context) (context.Context, context.CancelFunc) {
	timeout := c.options.Timeout
	cause := fmt.Errorf("%w: %s ran out (--rpc-timeout)", context.DeadlineExceeded, timeout)
	return context.WithTimeoutCause(ctx, timeout, cause)
}

// interrupted returns Deadline when the context ended the request, and Transport when the
// connection broke.
func interrupted(ctx context.Context) Class {
	if ctx.Err() != nil {
		return Deadline
	}
	return Transport
}

// withCause adds to an error why the context ended: the beat's deadline or a shutdown.
func withCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil && !errors.Is(err, cause) {
		return &endedError{cause, err, ": " + ctx.Err().Error()}
	}
	return err
}

// endedError leaves out that the context is over, which its cause has said better.
type endedError struct {
	cause, err error
	over       string
}

func (e *endedError) Error() string {
	return strings.TrimSuffix(e.cause.Error()+": "+e.err.Error(), e.over)
}

func (e *endedError) Unwrap() []error { return []error{e.cause, e.err} }
