package afe

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

// Retries within a beat: at most three, after 1, 2 and 4 seconds, so that a
// master that restarts is met again and one that is down fails the beat within
// seconds; the loop between beats does the rest.
const (
	retries      = 3
	retryWaitMin = time.Second
	retryWaitMax = 30 * time.Second
)

type attemptsKey struct{}

// checkRetry: transport errors and what a proxy says while the master restarts.
// Everything else is an answer: the original master's 500 would come again, and
// a JSON-RPC error is not retried within a beat (docs/decisions.md, 2017).
func (c *Client) checkRetry(ctx context.Context, response *http.Response, err error) (bool, error) {
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	retry, status := false, 0
	if err != nil {
		retry, _ = retryablehttp.DefaultRetryPolicy(ctx, nil, err)
	} else {
		status = response.StatusCode
		retry = status == http.StatusTooManyRequests || status == http.StatusBadGateway ||
			status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout
	}
	if deadline, bounded := ctx.Deadline(); retry && bounded {
		attempts, _ := ctx.Value(attemptsKey{}).(*int)
		// Where no attempt could begin in time, the failure of this one says more than
		// a deadline would.
		retry = time.Until(deadline) > c.backoff(c.http.RetryWaitMin, c.http.RetryWaitMax, *attempts-1, response)
	}
	if err != nil || status != http.StatusOK {
		c.log.Debug("heartbeat attempt failed", "error", err, "status", status, "retry", retry)
	}
	return retry, nil
}

// backoff honours Retry-After, but never beyond what the options allow.
func (c *Client) backoff(least, most time.Duration, attempt int, response *http.Response) time.Duration {
	if response != nil && response.Header.Get("Retry-After") != "" {
		most = cmp.Or(c.options.MaxRetryAfter, most)
	}
	return min(retryablehttp.DefaultBackoff(least, most, attempt, response), most)
}
