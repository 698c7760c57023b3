package repair

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"shardclient/runner/command"
	"shardclient/runner/screen"
)

// Commands are those of this package, each with what it needs of the shared flags.
func Commands(database []string) []command.Command {
	shard := append([]string{"shard-hostname"}, database...)
	return []command.Command{
		{Name: "migrate grant", About: "Give the client's role the rights that it needs.", Do: &grantCommand{}, Needs: database,
			Example: "shard-client migrate grant shard_client"},
		{Name: "migrate repair", About: "Enable triggers of the schema that are disabled.", Do: &triggersCommand{}, Needs: database,
			Example: "shard-client migrate repair --database-url postgres://owner@localhost/shard"},
		{Name: "quarantine", About: "Objects that could not be stored or sent."},
		{Name: "quarantine list", About: "List what was set aside, and why.", Do: &listCommand{}, Needs: database,
			Example: "shard-client quarantine list --output json",
			More:    "What each code means, and what to do, is in docs/runbook.md."},
		{Name: "quarantine show", About: "Show all about an object, its payload too.", Do: &showCommand{}, Needs: database,
			Example: "shard-client quarantine show in job 42\nshard-client quarantine show --raw in job 42 > job42.json"},
		{Name: "quarantine retry", About: "Let objects be tried again.", Do: &retryCommand{}, Needs: database,
			Example: "shard-client quarantine retry out job 42\nshard-client quarantine retry --code refused --yes"},
		{Name: "quarantine drop", About: "Forget objects, or give up what is in their way.", Do: &dropCommand{}, Needs: shard,
			Example: "shard-client quarantine drop in job 42\nshard-client quarantine drop --give-up out job 42"},
		{Name: "quarantine retire", About: "Take a host out of use here that is gone on the master.", Do: &retireCommand{}, Needs: database,
			Example: "shard-client quarantine retire 7"},
		{Name: "quarantine rename", About: "Give a host the new name that it has on the master.", Do: &renameCommand{}, Needs: database,
			Example: "shard-client quarantine rename 7 chromeos1-row2-host3"},
		{Name: "sessions", About: "Who is connected to the database, and what they hold up."},
		{Name: "sessions list", About: "List the sessions, the oldest transaction first.", Do: &sessionsCommand{}, Needs: database,
			Example: "shard-client sessions list"},
		{Name: "sessions end", About: "End a session that holds something up.", Do: &endCommand{}, Needs: database,
			Example: "shard-client sessions end 4711"},
		{Name: "adopt", About: "Let a copied or restored database be served.", Do: &adoptCommand{}, Needs: database,
			Example: "shard-client adopt"},
		{Name: "packet", About: "Print the request of the next beat, and send nothing.", Do: &packetCommand{}, Needs: shard,
			Example: "shard-client packet --shard-hostname shard1 > packet.json"},
	}
}

// selected are the arguments and flags by which a person says which objects are meant.
type selected struct {
	Object []string `arg:"Which: [in|out] KIND ID, as the list shows it; - for objects without an id." optional:"yes"`
	Code   string   `help:"All that are set aside with this code."`

	Selection
}

// read reads the selection.
func (s *selected) read() (err error) {
	s.Selection, err = Select(s.Object, s.Code)
	return err
}

type showCommand struct {
	selected
	Raw bool `help:"Print the payload of one object and nothing else, byte by byte."`
}

func (c *showCommand) Help() string {
	return `What is not printable in the payload is escaped, and JSON is laid out in lines. At most 64 KiB of a payload are kept.`
}

func (c *showCommand) Validate() error {
	err := c.read()
	if err == nil && !c.Named() && c.Code == "" {
		err = errors.New("say which object: [in|out] KIND ID, or --code")
	}
	return err
}

func (c *showCommand) Run(ctx context.Context, d *Desk) error {
	return d.shard(ctx, d.Look, func(s *Shard) error {
		found, err := Find(ctx, s.Pool, c.Selection)
		if err != nil {
			return err
		}
		if c.Raw {
			return c.raw(ctx, d, s, found)
		}
		all := make([]Shown, 0, len(found))
		for i, one := range found {
			shown, err := Show(ctx, s.Pool, one)
			if err != nil {
				return err
			}
			if d.JSON {
				all = append(all, shown)
				continue
			}
			if i > 0 {
				fmt.Fprintln(d.Stdout)
			}
			fmt.Fprint(d.Stdout, shown.Text())
		}
		if d.JSON {
			return json.NewEncoder(d.Stdout).Encode(all)
		}
		return nil
	})
}

func (c *showCommand) raw(ctx context.Context, d *Desk, s *Shard, found []Aside) error {
	switch {
	case len(found) != 1:
		return fmt.Errorf("--raw prints one payload, and %d objects are meant: say in or out, and an id", len(found))
	case d.OnTerminal:
		return d.Misused(errors.New("--raw prints what somebody sent, which a terminal might obey: send it to a file or a pipe"))
	}
	shown, err := Show(ctx, s.Pool, found[0])
	if err == nil {
		_, err = d.Stdout.Write(shown.Raw)
	}
	return err
}

// several are the flags of a command that changes objects.
type several struct {
	selected
	All bool `help:"All of them, or all of a direction or kind."`
	consent
}

// Validate refuses a selection that may be wider than it was meant to be.
func (c *several) Validate() error {
	err := c.read()
	switch {
	case err != nil:
		return err
	case c.Named() && c.All:
		return errors.New("--all and one object do not go together")
	case !c.Named() && !c.All && c.Code == "":
		return errors.New("say which objects: [in|out] KIND ID, --code CODE or --all")
	}
	return nil
}

// mend finds the objects, asks, and changes them.
func (c *several) mend(ctx context.Context, d *Desk, ask func([]Aside) (string, error),
	change func(*Shard, []Aside) ([]Done, error),
) error {
	return d.onShard(ctx, func(s *Shard) error {
		found, err := Find(ctx, s.Pool, c.Selection)
		if err != nil {
			return err
		}
		question, err := ask(found)
		if err == nil && question != "" {
			err = d.confirm(ctx, c.consent, question)
		}
		if err != nil {
			return err
		}
		at, end := screen.Progress(d.Stderr)
		s.Progress = func(done, all int) { at(fmt.Sprintf("%d of %d objects", done, all)) }
		all, err := change(s, found)
		end()
		if err != nil && len(all) == 0 {
			return err // and not that there was nothing to do
		}
		return errors.Join(d.printDone(all), err)
	})
}

// printedMost is how many objects are told one by one.
const printedMost = 20

// printDone says what became of each object. The error counts those for which nothing was done.
func (d *Desk) printDone(all []Done) error {
	refused := 0
	for _, one := range all {
		if one.Refused {
			refused++
		}
	}
	if d.JSON {
		if all == nil {
			all = []Done{}
		}
		if err := json.NewEncoder(d.Stdout).Encode(all); err != nil {
			return err
		}
	} else {
		for _, one := range all[:min(len(all), printedMost)] {
			fmt.Fprintf(d.Stdout, "%s %s\n", &one, one.Done)
		}
		switch rest := len(all) - printedMost; {
		case rest > 0:
			fmt.Fprintf(d.Stdout, "and %d more; --output json has all\n", rest)
		case len(all) == 0:
			fmt.Fprintln(d.Stdout, "nothing of that is set aside")
		}
	}
	if refused > 0 {
		return fmt.Errorf("nothing was done about %d of %d objects", refused, len(all))
	}
	return nil
}

type retryCommand struct {
	several
	Payload string `placeholder:"FILE" help:"Store this suite keyval, a JSON object as quarantine show --raw prints it, instead of the one that is kept; - for stdin."`
}

func (c *retryCommand) Help() string {
	return `A record that the master refuses (direction out) is due from now on: the client tries one of them in each beat that follows one that is ok. A host or a job of the master (direction in) is tried with every answer that holds it, so there is nothing to be done for it here. A suite keyval is stored now. The client may run meanwhile.`
}

func (c *retryCommand) Run(ctx context.Context, d *Desk) error {
	var corrected []byte
	if c.Payload != "" {
		var err error
		if corrected, err = d.readFile(c.Payload); err != nil {
			return d.Misused(fmt.Errorf("--payload: %w", err))
		}
	}
	ask := func(found []Aside) (string, error) {
		if corrected != nil && (len(found) != 1 || found[0].Direction != "in" || found[0].Kind != "suite_keyval") {
			return "", d.Misused(ErrCorrectsKeyvals)
		}
		if len(found) > 1 {
			return fmt.Sprintf("Try %d objects again? Each one that is refused again costs a failed beat.", len(found)), nil
		}
		return "", nil
	}
	return c.mend(ctx, d, ask, func(s *Shard, found []Aside) ([]Done, error) {
		if corrected == nil {
			return s.Retry(ctx, found)
		}
		one, err := s.RetryKeyval(ctx, &found[0], corrected)
		if err != nil {
			return nil, err
		}
		return []Done{one}, nil
	})
}

// maxPayload is how much of a file is read.
const maxPayload = 1 << 20

func (d *Desk) readFile(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(d.Stdin, maxPayload))
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // it was only read
	return io.ReadAll(io.LimitReader(file, maxPayload))
}
