package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
)

const (
	// largeAnswer is the size of an answer that no lab has ever seen, in jobs: 250 MB.
	largeAnswer = 185_000

	// nestedBytes is the size of an answer of which nearly all is one job's list of empty objects.
	nestedBytes = 16 << 20
)

// memory measures the peak of a client that stores what is far larger than usual, once: a peak
// hardly differs between rounds.
func (at *site) memory(ctx context.Context) error {
	for _, list := range []string{"hostqueueentry_set", "dependency_labels", "jobkeyval_set"} {
		what := fmt.Sprintf("one job with %s objects in %s (16.8 MB)", thousands(nestedBytes/3), list)
		if err := at.peakOf(ctx, what, nested(list)); err != nil {
			return err
		}
	}
	if at.Quick {
		return nil
	}
	l := makeLoad(largeAnswer)
	return at.peakOf(ctx, "storing "+l.name(), l.answer)
}

// nested returns an answer with one job that has millions of empty objects in a list, before those
// that belong there. None of them can be stored.
func nested(list string) []byte {
	answer, begin := makeRows(1).answer(), []byte(`"`+list+`": [`)
	before, after, _ := bytes.Cut(answer, begin)
	var b bytes.Buffer
	b.Grow(nestedBytes + len(answer))
	b.Write(before)
	b.Write(begin)
	b.Write(bytes.Repeat([]byte("{},"), nestedBytes/3))
	b.Write(after)
	return b.Bytes()
}

// peakOf lets each build store an answer in an empty database. Whether objects are set aside does
// not matter here.
func (at *site) peakOf(ctx context.Context, what string, answer []byte) error {
	for _, p := range at.programs() {
		peak, err := at.peak(ctx, p, answer)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", p.name, what, err)
		}
		r := row{what: "peak memory, " + what, unit: "MB", aim: 40, limit: 64, samples: []sample{{figure: peak / megabyte}}}
		if p != at.subject {
			r.what, r.informs = r.what+", the other build", true
		}
		at.table.add(r)
	}
	return nil
}

func (at *site) peak(ctx context.Context, p *program, answer []byte) (peak float64, err error) {
	db, err := at.fresh(ctx, p.template)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.drop(ctx)) }()
	c, err := p.run(at.stub.url, db.url)
	if err != nil {
		return 0, err
	}
	defer c.stop()
	request, err := c.request(ctx, at.stub)
	if err != nil {
		return 0, err
	}
	request.answer <- answer
	if f, err := c.ended(ctx); err != nil || f.Outcome != "heartbeat" {
		return 0, errors.Join(err, errors.New(f.Error))
	}
	used, err := c.used()
	return float64(used.Peak), err
}
