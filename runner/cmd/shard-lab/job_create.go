package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"shardclient/runner/master/admin"
)

type jobCreate struct {
	masterDatabase
	Name           string      `arg:"Name of the job or suite."`
	Owner          string      `placeholder:"LOGIN" help:"Default: the operating system's user."`
	Priority       int         `default:"40" help:"Higher is more important; Autotest's go from 10 to 80."`
	Label          []string    `placeholder:"LABEL" help:"Label that a host must have; it decides to which shard the job goes."`
	Dependency     []string    `placeholder:"LABEL" help:"The same as --label."`
	MetaHost       []string    `placeholder:"LABEL" help:"Label from which the shard takes a host; one entry each time it is given."`
	Host           []string    `placeholder:"HOSTNAME" help:"Host to run on; one entry each."`
	SynchCount     int         `default:"1" placeholder:"N" help:"Entries that start together."`
	TimeoutMins    int         `default:"1440" env:"SHARD_LAB_JOB_TIMEOUT_MINS" placeholder:"N" help:"Minutes from the creation of the job to its time-out."`
	MaxRuntimeMins int         `default:"4320" env:"SHARD_LAB_JOB_MAX_RUNTIME_MINS" placeholder:"N" help:"Minutes from the start of the job to its time-out."`
	ControlFile    fileContent `placeholder:"FILE" help:"Where to read the control file."`
	ControlText    string      `placeholder:"TEXT" help:"The control file itself."`
	ClientSide     bool        `help:"The control file runs on the host, not on the shard."`
	Keyval         keyvals     `placeholder:"KEY=VALUE" help:"Keyval of the job; of a suite: of each child."`
	Hostless       bool        `help:"The job needs no host. It never goes to a shard."`
	Parent         int64       `placeholder:"ID" help:"The job belongs to this one, which may be any job."`
	Suite          bool        `help:"Create a hostless job NAME, and children NAME/1, NAME/2 and so on with all the other flags."`
	Children       int         `placeholder:"N" help:"Number of children of the suite."`
	SuiteKeyval    keyvals     `placeholder:"KEY=VALUE" help:"Keyval of the suite's own job; it is sent to the shards with every child."`
}

// Help is what --help says below the usage line.
func (*jobCreate) Help() string {
	return `Examples:
  shard-lab job create smoke --label board:eve --meta-host board:eve \
      --control-text 'job.run_test("dummy_Pass")'
  shard-lab job create --suite bvt --children 3 --label board:eve \
      --meta-host board:eve --suite-keyval build=R74-1`
}

// Validate refuses values that make no sense.
func (c *jobCreate) Validate() error {
	switch {
	case len(c.ControlFile) > 0 && c.ControlText != "":
		return errors.New("--control-file and --control-text: give one of them")
	case c.TimeoutMins < 1 || c.MaxRuntimeMins < 1:
		return errors.New("--timeout-mins, --max-runtime-mins: give 1 or more")
	case c.Suite && (c.Hostless || c.Parent != 0):
		return errors.New("--suite: its own job is always hostless, and the parent of the others: " +
			"leave out --hostless and --parent")
	case c.Suite && c.Children < 1:
		return errors.New("--suite: give the number of --children, 1 or more")
	case !c.Suite && (c.Children != 0 || len(c.SuiteKeyval) > 0):
		return errors.New("--children and --suite-keyval: use them together with --suite only")
	}
	return nil
}

func (c *jobCreate) Run(ctx context.Context, out output) error {
	job, err := c.job()
	if err != nil {
		return err
	}
	return c.use(ctx, func(a *admin.Admin) error {
		if c.Suite {
			return c.createSuite(ctx, a, out, job)
		}
		ids, err := a.CreateJobs(ctx, job)
		if err != nil {
			return err
		}
		return c.print(out, map[string][]int64{"ids": ids}, func(w io.Writer) error {
			_, err := fmt.Fprintln(w, "job "+ranges(ids))
			return err
		})
	})
}

func (c *jobCreate) createSuite(ctx context.Context, a *admin.Admin, out output, child admin.NewJob) error {
	suite := admin.NewSuite{
		Parent: admin.NewJob{Name: c.Name, Owner: child.Owner, Priority: c.Priority, Keyvals: c.SuiteKeyval,
			TimeoutMins: c.TimeoutMins, MaxRuntimeMins: c.MaxRuntimeMins},
	}
	for i := range c.Children {
		child.Name = c.Name + "/" + strconv.Itoa(i+1)
		suite.Children = append(suite.Children, child)
	}
	created, err := a.CreateSuite(ctx, suite)
	if err != nil {
		return err
	}
	return c.print(out, created, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "suite job %d\nchild jobs %s\n", created.ParentID, ranges(created.ChildIDs))
		return err
	})
}

func (c *jobCreate) job() (admin.NewJob, error) {
	owner, err := actor(c.Owner)
	if err != nil {
		return admin.NewJob{}, err
	}
	control := c.ControlText
	if len(c.ControlFile) > 0 {
		control = string(c.ControlFile)
	}
	return admin.NewJob{
		Name:           c.Name,
		Owner:          owner,
		Priority:       c.Priority,
		TimeoutMins:    c.TimeoutMins,
		MaxRuntimeMins: c.MaxRuntimeMins,
		SynchCount:     c.SynchCount,
		ControlFile:    control,
		ClientSide:     c.ClientSide,
		Dependencies:   slices.Concat(c.Label, c.Dependency),
		MetaHosts:      c.MetaHost,
		Hosts:          c.Host,
		Hostless:       c.Hostless,
		Keyvals:        c.Keyval,
		ParentID:       c.Parent,
	}, nil
}

// ranges shortens ascending ids: "3-5, 9".
func ranges(ids []int64) string {
	var parts []string
	for i := 0; i < len(ids); {
		first := i
		for i++; i < len(ids) && ids[i] == ids[i-1]+1; i++ {
		}
		part := strconv.FormatInt(ids[first], 10)
		if last := ids[i-1]; last != ids[first] {
			part += "-" + strconv.FormatInt(last, 10)
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}
