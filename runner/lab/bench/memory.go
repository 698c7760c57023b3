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

	// nestedObjects are empty objects in a list of one job, 3 bytes each. It is just below the size
	// at which shard-client does not look at an object any more, 16 MiB.
	nestedObjects = 5_500_000
)

// memory measures the peak of a client that stores what is far larger than usual, once: a peak
// hardly differs between rounds.
func (at *site) memory(ctx context.Context) error {
	lists := []string{"hostqueueentry_set", "dependency_labels"}
	if !at.Quick { // an empty keyval may be stored, which takes its time
		lists = append(lists, "jobkeyval_set")
	}
	for _, list := range lists {
		what := fmt.Sprintf("one job with %s objects in %s (16.5 MB)", thousands(nestedObjects), list)
		if err := at.peakOf(ctx, what, nested(list)); err != nil {
			return err
		}
	}
	if at.Quick {
		return nil
	}
	l := makeLoad(largeAnswer)
	at.large = len(l.answer)
	return at.peakOf(ctx, "storing "+l.name(), l.answer)
}

// nested returns an answer with one job that has millions of empty objects in a list, before those
// that belong there.
func nested(list string) []byte {
	answer, begin := makeRows(1).answer(), []byte(`"`+list+`": [`)
	before, after, _ := bytes.Cut(answer, begin)
	var b bytes.Buffer
	b.Grow(3*nestedObjects + len(answer))
	b.Write(before)
	b.Write(begin)
	b.Write(bytes.Repeat([]byte("{},"), nestedObjects))
	b.Write(after)
	return b.Bytes()
}

// peakOf lets each build store an answer in an empty database. Whether it can be stored does not
// matter here.
func (at *site) peakOf(ctx context.Context, what string, answer []byte) error {
	for _, p := range at.programs() {
		peak, err := at.peak(ctx, p, answer)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", p.name, what, err)
		}
		r := row{what: "peak memory, " + what, unit: "MB", aim: 40, limit: 64, samples: []sample{{figure: peak / megabyte}}}
		if len(answer) == at.large { // one of the usual shape, like those of apply
			at.peaks.add(p.label(), point{float64(len(answer)) / megabyte, peak / megabyte})
		}
		if p != at.subject {
			r.what, r.informs = r.what+", "+p.label(), true
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
	if _, err := c.ended(ctx); err != nil {
		return 0, err
	}
	used, err := c.used()
	return float64(used.Peak), err
}
