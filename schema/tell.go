package schema

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
)

// teller hears of each statement and migration, in the words of goose.
type teller func(string)

func (t teller) Printf(format string, values ...any) {
	t(strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf(format, values...), "goose: "), "Executing statement: "))
}

func (t teller) Fatalf(string, ...any) {} // goose ends no program that is not its own

// UpTelling is [Up], and calls tell with each statement before it runs, and with what has been
// applied.
func UpTelling(
	ctx context.Context, databaseURL string, tell func(string), options ...stdlib.OptionOpenDB,
) (Report, error) {
	var report Report
	err := withProvider(ctx, databaseURL, options, tell, func(p *goose.Provider) error {
		results, err := p.Up(ctx)
		var partial *goose.PartialError
		if errors.As(err, &partial) {
			results = partial.Applied
		}
		for _, r := range results {
			report = append(report, step(r))
		}
		return err
	})
	if err != nil {
		return report, fmt.Errorf("migrate up: %w", err)
	}
	return report, nil
}
