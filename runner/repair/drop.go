package repair

import (
	"context"
	"errors"
	"fmt"
)

type dropCommand struct {
	several
	GiveUp bool `help:"Give up what cannot be had again: without it only objects of direction in are dropped."`
}

func (c *dropCommand) Help() string {
	return `An object of the master (direction in) is forgotten; if it comes again, it is judged anew. To drop a record of this shard (direction out) gives up what it has to say, and needs --give-up: a job that the master refuses is taken for sent, a host is taken out of use, and what is here under an id that means another object on the master (job_taken, host_taken) is deleted. The client may run meanwhile.`
}

func (c *dropCommand) Run(ctx context.Context, d *Desk) error {
	ask := func(found []Aside) (string, error) {
		lost, jobs := 0, false
		for i := range found {
			if found[i].Taken() && !c.Named() {
				return "", d.Misused(fmt.Errorf("%s is among them, and %s: drop it by its id, or say `in`", &found[i], Fate(&found[i])))
			}
			if GivesUp(&found[i]) {
				lost++
				jobs = jobs || found[i].Kind == "job" && !found[i].Taken()
			}
		}
		switch {
		case c.Named() && len(found) > 1 && lost > 0 && lost < len(found):
			return "", d.Misused(fmt.Errorf("%s %s is set aside in both directions: say in or out", found[0].Kind, c.Object[len(c.Object)-1]))
		case lost > 0 && !c.GiveUp:
			first := found[len(found)-lost]
			return "", d.Misused(fmt.Errorf("%s %s; add --give-up if that is meant, or say `in`", &first, Fate(&first)))
		case jobs && d.Hostname == "":
			return "", d.Misused(errors.New("--shard-hostname is missing: a job is taken for sent by this shard"))
		case len(found) == 0:
			return "", nil
		case len(found) == 1:
			return fmt.Sprintf("%s %s.\nDrop it?", &found[0], Fate(&found[0])), nil
		case lost > 0:
			return fmt.Sprintf("%d objects, of which %d cannot be had again: the first of them, %s, %s.\nDrop them?",
				len(found), lost, &found[len(found)-lost], Fate(&found[len(found)-lost])), nil
		}
		return fmt.Sprintf("Drop %d objects?", len(found)), nil
	}
	return c.mend(ctx, d, ask, func(s *Shard, found []Aside) ([]Done, error) { return s.Drop(ctx, found) })
}
