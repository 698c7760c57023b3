// Command mutate asks whether the tests notice when the program is wrong. It changes one thing at a
// time, in Go or in a query, and runs the tests of the package: a change that no test notices, a
// survivor, is a gap in the tests, or no change in effect.
//
//	make mutate TARGET=queries/shard/acknowledge.sql TIME=30m
//
// Nothing in the tree is touched: the changed file stands in a temporary directory, and go test
// -overlay puts it in the place of the original. Queries are changed where sqlc has put them, in
// gen/sharddb.
//
// accepted.txt names the survivors that may live, each with its reason. They are not run again
// without -again. Any other survivor makes the exit code 1, and so does a line of accepted.txt that
// matches nothing any more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	root, accepted string
	targets        []string
	run, only      string
	limit, timeout time.Duration
	jobs           int
	list, again    bool
}

func parse() options {
	var o options
	var targets string
	flag.StringVar(&o.root, "root", ".", "root of the program's module")
	flag.StringVar(&targets, "target", "", "files or directories to change, by commas; default: "+strings.Join(everything, ","))
	flag.StringVar(&o.run, "run", "", "only these tests, as for go test -run")
	flag.StringVar(&o.only, "only", "", "only changes whose line contains this text")
	flag.DurationVar(&o.limit, "time", 0, "begin no more changes after this time; 0: never")
	flag.DurationVar(&o.timeout, "timeout", 10*time.Minute, "a test that runs longer has noticed the change")
	flag.IntVar(&o.jobs, "jobs", max(1, runtime.NumCPU()/2), "how many changes are tried at the same time")
	flag.BoolVar(&o.list, "list", false, "list the changes, and try none")
	flag.BoolVar(&o.again, "again", false, "try those of accepted.txt too, and say which are noticed by now")
	flag.Parse()
	o.targets = everything
	if targets != "" {
		o.targets = strings.Split(targets, ",")
	}
	o.accepted = filepath.Join(o.root, ".ci", "mutate", "accepted.txt")
	return o
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "mutate:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	mutants, err := collect(o.root, o.targets)
	if err != nil {
		return err
	}
	reasons, err := readAccepted(o.accepted)
	if err != nil {
		return err
	}
	stale := reasons.stale(mutants, o.targets)
	if !o.again {
		mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return reasons[m.id] != "" })
	}
	mutants = slices.DeleteFunc(mutants, func(m mutant) bool { return !strings.Contains(m.id, o.only) })
	if o.list {
		for _, m := range mutants {
			fmt.Println(m.id)
		}
		return nil
	}
	survivors, err := try(ctx, o, mutants)
	if err != nil {
		return err
	}
	return judge(survivors, reasons, stale)
}

// judge prints what is wrong, and returns an error when something is.
func judge(survivors []string, reasons accepted, stale []string) error {
	fresh := slices.DeleteFunc(survivors, func(id string) bool { return reasons[id] != "" })
	slices.Sort(fresh)
	for _, id := range fresh {
		fmt.Println("SURVIVED", id)
	}
	for _, id := range stale {
		fmt.Println("STALE in accepted.txt:", id)
	}
	if len(fresh)+len(stale) == 0 {
		return nil
	}
	return fmt.Errorf("%d changes that no test notices, %d lines of accepted.txt that match nothing: "+
		"write a test and see it fail, or say in .ci/mutate/accepted.txt why the change may live", len(fresh), len(stale))
}

// try runs the tests for each mutant and returns the ids of the survivors.
func try(ctx context.Context, o options, mutants []mutant) ([]string, error) {
	dir, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	t := &trial{options: o, dir: dir}
	if err := t.baseline(ctx, mutants); err != nil {
		return nil, err
	}
	fmt.Printf("%d changes\n", len(mutants))
	began := time.Now()
	work := make(chan int)
	var all sync.WaitGroup
	var mu sync.Mutex
	var survivors []string
	counts := map[outcome]int{}
	for range o.jobs {
		all.Go(func() {
			for i := range work {
				at := time.Now()
				result, err := t.test(ctx, i, mutants[i])
				mu.Lock()
				counts[result]++
				if result == survived {
					survivors = append(survivors, mutants[i].id)
				}
				fmt.Printf("%s %5.1f s  %s\n", result, time.Since(at).Seconds(), mutants[i].id)
				if err != nil {
					fmt.Println(err)
				}
				mu.Unlock()
			}
		})
	}
	tried := 0
	for i := range mutants {
		if ctx.Err() != nil || o.limit > 0 && time.Since(began) > o.limit {
			break
		}
		work <- i
		tried++
	}
	close(work)
	all.Wait()
	fmt.Printf("%d noticed, %d survived, %d do not compile, %d not tried\n",
		counts[noticed], counts[survived], counts[broken], len(mutants)-tried+counts[stopped])
	if ctx.Err() != nil {
		return survivors, errors.New("stopped")
	}
	return survivors, nil
}
