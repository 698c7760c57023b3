package afe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
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

// attemptsKey is where the context of a heartbeat keeps the *int that counts its requests.
type attemptsKey struct{}

func countAttempt(_ retryablehttp.Logger, r *http.Request, _ int) {
	*r.Context().Value(attemptsKey{}).(*int)++
}

// checkRetry repeats a request after a transport error, and after the statuses that a proxy gives
// while the master restarts. Everything else is an answer: the 500 of the original master would
// come again, and a JSON-RPC error is not retried within a beat (docs/promises.md, "fatal
// exception").
func (c *Client) checkRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	retry, status := false, 0
	if err != nil {
		retry, _ = retryablehttp.DefaultRetryPolicy(ctx, nil, err)
	} else {
		status = response.StatusCode
		retry = isBusy(status)
	}
	if deadline, bounded := ctx.Deadline(); retry && bounded {
		attempts, _ := ctx.Value(attemptsKey{}).(*int)
		// Where no attempt could begin in time, the failure of this one says more than a deadline
		// would.
		retry = time.Until(deadline) > c.backoff(c.http.RetryWaitMin, c.http.RetryWaitMax, *attempts-1, response)
	}
	if err != nil || status != http.StatusOK {
		c.log.Debug("heartbeat attempt failed", "error", err, "status", status, "retry", retry)
	}
	return retry, nil
}

// isBusy reports whether a status asks for patience.
func isBusy(status int) bool {
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// backoff honours Retry-After up to the limit in the options.
func (c *Client) backoff(least, most time.Duration, attempt int, response *http.Response) time.Duration {
	if response != nil && response.Header.Get("Retry-After") != "" {
		most = cmp.Or(c.options.MaxRetryAfter, most)
	}
	return min(retryablehttp.DefaultBackoff(least, most, attempt, response), most)
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
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
