package check

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"shardclient/runner/afe"
	"shardclient/runner/flags"
	"shardclient/runner/plain"
)

const (
	// rpcTimeout is for one call. A heartbeat may take half an hour; a list of shards may not.
	rpcTimeout = 15 * time.Second
	// maxAnswer is far more than the names and labels of a thousand shards.
	maxAnswer = 8 << 20
	// soonOver is how long before its end a certificate is worth a word.
	soonOver = 14 * 24 * time.Hour
)

// answer is what the master said to a call.
type answer struct {
	result        json.RawMessage
	date          time.Time // by its Date header; zero: it has none
	before, after time.Time // by our clock
	until         time.Time // when its certificate ends; zero: there is none

	shards []namedShard
}

type namedShard struct {
	ID       int64    `json:"id"`
	Hostname string   `json:"hostname"`
	Labels   []string `json:"labels"`
}

// ask calls a method of the master. The error is an [*afe.Error], as that of a heartbeat.
func (c *Checks) ask(ctx context.Context, method string, arguments map[string]any) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, rpcTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]any{"method": method, "params": []any{arguments}, "id": "jsonrpc"})
	if err != nil {
		return nil, err
	}
	address := c.Master.JoinPath("/afe/server/noauth/rpc/")
	address.RawQuery = "method=" + method
	failure := func(class afe.Class, err error) error {
		return &afe.Error{Class: class, URL: address.Redacted(), Err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address.String(), bytes.NewReader(body))
	if err != nil {
		return nil, failure(afe.Internal, err)
	}
	request.Header.Set("Authorization", c.User)
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("User-Agent", c.UserAgent)
	got := &answer{before: c.Now()}
	response, err := c.transport().Do(request)
	if err != nil {
		class := afe.Transport
		if ctx.Err() != nil {
			class = afe.Deadline
		}
		if repeats, is := errors.AsType[*url.Error](err); is {
			err = repeats.Err // the address stands before it already
		}
		return nil, failure(class, err)
	}
	defer func() { _ = response.Body.Close() }() // what was wanted of it has been read
	got.after = c.Now()
	got.date, _ = http.ParseTime(response.Header.Get("Date"))
	if response.TLS != nil {
		got.until = response.TLS.PeerCertificates[0].NotAfter
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if response.StatusCode != http.StatusOK {
		return nil, &afe.Error{
			Class: afe.HTTPStatus, URL: address.Redacted(), Status: response.StatusCode,
			Location: response.Header.Get("Location"), Body: plain.Cut(string(text), maxPage),
		}
	}
	if err != nil {
		return nil, failure(afe.Transport, err)
	}
	var envelope struct {
		Result json.RawMessage `json:"result"`
		Error  *afe.RPCError   `json:"error"`
	}
	switch err := json.Unmarshal(text, &envelope); {
	case err != nil:
		return nil, &afe.Error{Class: afe.Undecodable, URL: address.Redacted(), Err: err, Body: plain.Cut(string(text), maxPage)}
	case envelope.Error != nil:
		return nil, &afe.Error{Class: afe.RPC, URL: address.Redacted(), RPC: envelope.Error}
	}
	got.result = envelope.Result
	return got, nil
}

// maxPage is how much of a page an error keeps.
const maxPage = 512

// transport calls as the client of a beat does: by the same proxies, following nobody elsewhere.
func (c *Checks) transport() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig, transport.DisableKeepAlives = c.TLS, true
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// askMaster asks for the list of all shards, which every AFE has that knows shards. It only reads,
// while a heartbeat would give hosts and jobs away, whatever it says.
func (c *Checks) askMaster(ctx context.Context) Result {
	if c.MasterError != nil {
		return c.failed(c.MasterError)
	}
	got, err := c.ask(ctx, "get_shards", map[string]any{})
	var failure *afe.Error
	switch {
	case errors.As(err, &failure) && failure.Class == afe.RPC:
		c.master = &answer{} // an AFE answers, even if it does not tell
		return warn(fmt.Sprintf("%s answers, but does not tell its shards: %v", c.Master.Redacted(), failure.RPC),
			"look at the version of the master, and whether its user may ask; what follows from its shards is not checked")
	case err != nil:
		r := c.failed(err)
		r.Text = strings.TrimPrefix(strings.TrimPrefix(r.Text, "heartbeat: "), "master ") // it was none, and the name stands before
		return r
	}
	if err := json.Unmarshal(got.result, &got.shards); err != nil {
		return fail(fmt.Sprintf("%s answers, but not as an AFE: get_shards gave %s", c.Master.Redacted(), plain.Quote(string(got.result))),
			"look whether --master leads to an Autotest AFE")
	}
	c.master = got
	text := fmt.Sprintf("%s answers in %d ms", c.Master.Redacted(), got.after.Sub(got.before).Milliseconds())
	if left := got.until.Sub(c.Now()); !got.until.IsZero() && left < soonOver {
		return warn(fmt.Sprintf("%s; its certificate ends on %s", text, got.until.Format(time.DateOnly)), "renew the certificate of the master")
	}
	return ok(text)
}

// protocol asks for a heartbeat that cannot begin: it lacks the argument without which Python does
// not even call the function. An argument that the function does not have is noticed before that,
// so the complaint tells the versions apart.
func (c *Checks) protocol(ctx context.Context) Result {
	_, err := c.ask(ctx, "shard_heartbeat", map[string]any{"known_host_statuses": []string{}})
	var failure *afe.Error
	if !errors.As(err, &failure) || failure.Class != afe.RPC || failure.RPC.Name != "TypeError" {
		if err == nil {
			err = errors.New("it took a heartbeat without a shard")
		}
		return warn("it cannot be told which version the master speaks: "+c.Redact(err), "look at the version of the master")
	}
	version := "2019"
	if strings.Contains(failure.RPC.Message, "known_host_statuses") {
		version = "2015"
	}
	if c.Protocol != "auto" && c.Protocol != version {
		return fail(fmt.Sprintf("the master speaks %s, and --protocol is %s", version, c.Protocol), "leave --protocol out, or give auto")
	}
	return ok("the master speaks the heartbeat of " + version)
}

// shard looks for this shard among those that the master has.
func (c *Checks) shard(ctx context.Context) Result {
	ours := c.ShardHostname
	switch {
	case ours == "":
		return skipped("--shard-hostname is not given")
	case c.master.result == nil:
		return skipped("the master does not tell its shards")
	}
	var names []string
	var same []namedShard
	for _, shard := range c.master.shards {
		names = append(names, shard.Hostname)
		if shard.Hostname == ours {
			same = []namedShard{shard}
			break
		}
		if spelling(shard.Hostname) == spelling(ours) || strconv.FormatInt(shard.ID, 10) == ours {
			same = append(same, shard)
		}
	}
	if len(same) == 0 {
		return fail(fmt.Sprintf("the master does not know %s; it knows %s", plain.Quote(ours), known(ours, names)),
			"add the shard on the master (atest shard create), or correct --shard-hostname")
	}
	found := same[0]
	switch {
	case len(same) > 1:
		return fail(fmt.Sprintf("the master knows %s only in other spellings, and more than one", plain.Quote(ours)),
			"give --shard-hostname exactly as the master has it: "+known(ours, []string{same[0].Hostname, same[1].Hostname}))
	case found.Hostname != ours && !c.finds(ctx, ours):
		return fail(fmt.Sprintf("the master spells %s as %s, and does not find it by our spelling", plain.Quote(ours), plain.Quote(found.Hostname)),
			"give --shard-hostname as the master has it")
	case found.Hostname != ours:
		return warn(fmt.Sprintf("the master spells %s as %s, and finds it by either", plain.Quote(ours), plain.Quote(found.Hostname)),
			"give --shard-hostname as the master has it: beats go on as they do, but another master, or a restored one, may compare exactly")
	case len(found.Labels) == 0:
		return warn(fmt.Sprintf("the master knows %s, and gives it nothing: it has no label", ours), "give the shard its boards on the master")
	}
	return ok(fmt.Sprintf("the master knows %s, for %s", ours, plain.Line(some(found.Labels), maxPage)))
}

// finds reports whether the master itself takes this for the name of a shard: MySQL compares
// without case, another database may not. One that does not say so counts as MySQL.
func (c *Checks) finds(ctx context.Context, ours string) bool {
	got, err := c.ask(ctx, "get_shards", map[string]any{"hostname": ours})
	var shards []namedShard
	return err != nil || json.Unmarshal(got.result, &shards) != nil || len(shards) > 0
}

// spelling makes alike what some masters take for the same: MariaDB minds neither case nor trailing
// spaces, and a resolver no dot at the end.
func spelling(name string) string { return strings.ToLower(strings.TrimRight(name, " .")) }

// known names the shards that may be meant, or else some.
func known(ours string, names []string) string {
	first, _, _ := strings.Cut(ours, ".")
	var near []string
	for _, name := range names {
		if short, _, _ := strings.Cut(name, "."); strings.EqualFold(short, first) {
			near = append(near, name)
		}
	}
	if nearest := flags.Nearest(ours, names); nearest != "" && len(near) == 0 {
		near = []string{nearest}
	}
	switch {
	case len(names) == 0:
		return "no shard at all"
	case len(near) > 0 && len(near) < len(names):
		return fmt.Sprintf("%s, among %d", plain.Line(some(near), maxPage), len(names))
	}
	return plain.Line(some(names), maxPage)
}

func (c *Checks) masterClock(context.Context) Result {
	if c.master.date.IsZero() {
		return skipped("the master's answer has no Date")
	}
	return skew("the master", c.master.date, c.master.before, c.master.after, time.Second)
}

// zone compares the zone of the master with that of this machine. The times of jobs travel without
// one: the master's scheduler and this shard's each write their own.
func (c *Checks) zone(ctx context.Context) Result {
	var text string
	got, err := c.ask(ctx, "get_server_time", map[string]any{})
	if err == nil {
		err = json.Unmarshal(got.result, &text)
	}
	local, wrong := time.Parse("2006-01-02 15:04", text)
	if err != nil || wrong != nil || got.date.IsZero() {
		return skipped("the master does not tell its time")
	}
	theirs := local.Sub(got.date.UTC()).Round(15 * time.Minute)
	_, seconds := got.date.In(c.Zone).Zone()
	ours := time.Duration(seconds) * time.Second
	if theirs != ours {
		return warn(fmt.Sprintf("the master is in %s, this machine in %s", offset(theirs), offset(ours)),
			"the times of jobs travel without a zone: let the shard's scheduler run with the TZ of the master's")
	}
	return ok("the master and this machine are both in " + offset(ours))
}

// offset returns the distance from UTC as people write it.
func offset(d time.Duration) string {
	return "UTC" + time.Unix(0, 0).In(time.FixedZone("", int(d.Seconds()))).Format("-07:00")
}
