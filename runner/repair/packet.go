package repair

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"shardclient/runner/afe"
	"shardclient/runner/lock"
	"shardclient/runner/operator"
	"shardclient/runner/plain"
	"shardclient/runner/screen"
	"shardclient/runner/shard"
)

// Previewer reads the packet of a beat. A [*shard.Client] is one.
type Previewer interface {
	Preview(context.Context) (*shard.Preview, error)
}

// preview reads what a beat would send now. It needs neither lock nor master.
func (d *Desk) preview(ctx context.Context, do func(*pgxpool.Pool, *shard.Preview) error) error {
	if d.Hostname == "" {
		return d.Misused(errors.New("--shard-hostname is missing: it stands in the packet"))
	}
	pool, err := d.Look(ctx)
	if err != nil {
		return err
	}
	defer pool.Close()
	reader, err := d.Reader(pool)
	if err != nil {
		return err
	}
	preview, err := reader.Preview(ctx)
	if err != nil {
		return err
	}
	return do(pool, preview)
}

type packetCommand struct{}

func (c *packetCommand) Help() string {
	return `Prints the body of the request byte by byte, as it would travel: by --protocol, and as of 2019 with auto. It needs neither the lock nor the master, changes nothing, and may run beside the client. Whoever sends the body makes a heartbeat of it: the master stores what it uploads, and gives jobs to the shard.`
}

func (c *packetCommand) Run(ctx context.Context, d *Desk) error {
	return d.preview(ctx, func(_ *pgxpool.Pool, preview *shard.Preview) error {
		body, err := preview.Packet.Body(d.Protocol)
		if err != nil {
			return fmt.Errorf("encode packet: %w", err)
		}
		if _, err = d.Stdout.Write(body); err == nil && d.OnTerminal {
			fmt.Fprintln(d.Stdout)
		}
		return err
	})
}

// rehearsal is what `once --dry-run` prints as JSON.
type rehearsal struct {
	Outcome         string          `json:"outcome"` // dry_run
	Protocol        string          `json:"protocol"`
	Mode            string          `json:"mode"`
	Retried         string          `json:"retried"`
	Bytes           int             `json:"bytes"`
	KnownJobs       int             `json:"known_jobs"`
	KnownHosts      int             `json:"known_hosts"`
	UploadedJobs    int             `json:"uploaded_jobs"`
	UploadedEntries int             `json:"uploaded_entries"`
	PendingJobs     int             `json:"pending_jobs"`
	WaitingJobs     int             `json:"waiting_jobs"`
	JobIDs          []int64         `json:"job_ids"`
	StaysOut        []string        `json:"stays_out"`
	LockHeldBy      string          `json:"lock_held_by"`
	Packet          json.RawMessage `json:"packet"`
}

// Rehearse says what a beat would send now, and what it would mark as sent if the master takes it.
// What the master answers only a heartbeat shows, which is none without consequences: it gives jobs
// to the shard.
func (d *Desk) Rehearse(ctx context.Context) error {
	return d.preview(ctx, func(pool *pgxpool.Pool, preview *shard.Preview) error {
		packet := preview.Packet
		body, err := packet.Body(d.Protocol)
		if err != nil {
			return fmt.Errorf("encode packet: %w", err)
		}
		r := rehearsal{
			Outcome: "dry_run", Protocol: string(d.Protocol), Mode: preview.Mode, Retried: preview.Retried, Bytes: len(body),
			KnownJobs: len(packet.KnownJobIDs), KnownHosts: len(packet.KnownHostIDs),
			UploadedJobs: len(packet.Jobs), UploadedEntries: len(packet.Entries), PendingJobs: preview.Pending, WaitingJobs: len(preview.Waiting),
			JobIDs: append([]int64{}, preview.JobIDs...), StaysOut: []string{}, Packet: body,
		}
		list, err := operator.ListQuarantine(ctx, pool)
		if err != nil {
			return err
		}
		for _, o := range list {
			if o.Direction == "out" && o.ID != nil {
				if name := fmt.Sprintf("%s %d", o.Kind, *o.ID); name != preview.Retried {
					r.StaysOut = append(r.StaysOut, name)
				}
			}
		}
		var held *lock.HeldError
		var copied *lock.CopyError
		switch err := lock.Look(ctx, pool); {
		case errors.As(err, &held):
			r.LockHeldBy = cmp.Or(held.Who, "a client that has just started")
		case errors.As(err, &copied):
			fmt.Fprintf(d.Stderr, "shard-client: a beat would refuse this database: %v\n", err)
		case err != nil:
			return err
		}
		if d.JSON {
			return json.NewEncoder(d.Stdout).Encode(&r)
		}
		fmt.Fprint(d.Stdout, r.text())
		return nil
	})
}

// modes says what kinds of packets there are.
var modes = map[string]string{
	"all":     "everything that is not set aside",
	"without": "everything but a record that the master seems to refuse",
	"bare":    "nothing: whether the master refuses that, too",
	"half":    "half of the records of which the master refuses one",
	"retry":   "with a record that was set aside and is tried again",
}

func (r *rehearsal) text() string {
	var b strings.Builder
	line := func(name, format string, values ...any) {
		fmt.Fprintf(&b, "%-10s%s\n", name, fmt.Sprintf(format, values...))
	}
	b.WriteString("dry run: nothing is sent, nothing is changed\n")
	line("packet", "%d bytes, protocol %s: %s", r.Bytes, r.Protocol, cmp.Or(modes[r.Mode], r.Mode))
	line("known", "%s, %s", screen.Count(r.KnownJobs, "job", "jobs"), screen.Count(r.KnownHosts, "host", "hosts"))
	line("uploads", "%s with %s%s", screen.Count(r.UploadedJobs, "finished job", "finished jobs"),
		screen.Count(r.UploadedEntries, "entry", "entries"), first(r.JobIDs))
	if r.WaitingJobs > 0 {
		line("waiting", "%s for the beats after it", screen.Count(r.WaitingJobs, "finished job", "finished jobs"))
	}
	if r.Retried != "" {
		line("retries", "%s", r.Retried)
	}
	if len(r.StaysOut) > 0 {
		line("stays out", "%s%s; see shard-client quarantine list", screen.Count(len(r.StaysOut), "record", "records"), first(r.StaysOut))
	}
	if r.LockHeldBy != "" {
		line("lock", "held by %s, which will send this", plain.Line(r.LockHeldBy, reasonMost))
	}
	marks := "nothing here is marked as sent"
	if r.UploadedJobs > 0 {
		marks = "these jobs are marked as sent, if the master takes them"
	}
	line("then", "%s; what the master answers, only a heartbeat shows", marks)
	return b.String()
}

// first lists the beginning of a list.
func first[T any](list []T) string {
	const most = 10
	if len(list) == 0 {
		return ""
	}
	text := strings.Trim(fmt.Sprint(list[:min(len(list), most)]), "[]")
	if len(list) > most {
		text += " ..."
	}
	return ": " + text
}

// Nobody stands where the master would: a packet that is looked at is not sent.
func Nobody(protocol afe.Protocol) shard.Master { return nobody{protocol} }

type nobody struct{ protocol afe.Protocol }

func (nobody) Heartbeat(context.Context, *afe.Packet) (*afe.Response, error) {
	return nil, errors.New("this command sends nothing")
}

func (n nobody) Protocol() afe.Protocol { return n.protocol }
