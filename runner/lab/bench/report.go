package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// report writes the table and the plots into a directory, for docs/performance.md.
func (at *site) report(ctx context.Context) error {
	if at.Report == "" {
		return nil
	}
	if err := os.MkdirAll(at.Report, 0o755); err != nil {
		return fmt.Errorf("make the directory of the report: %w", err)
	}
	version, err := at.admin.BenchVersion(ctx)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s, %d cores (%s), PostgreSQL %s, fsync on, %s, %d rounds.\n\n",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), processor(), version, runtime.Version(), at.Rounds)
	at.table.markdown(&text, at.Quick)
	if err := os.WriteFile(filepath.Join(at.Report, "table.md"), text.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return at.plot()
}

// processor returns the model of this machine, where Linux tells it.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer func() { _ = file.Close() }() // it was only read
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, model, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return runtime.GOARCH
}
