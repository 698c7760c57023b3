package schema

import (
	"fmt"
	"strings"
)

// teller hears of each statement and migration, in the words of goose.
type teller func(string)

func (t teller) Printf(format string, values ...any) {
	t(strings.TrimPrefix(strings.TrimPrefix(fmt.Sprintf(format, values...), "goose: "), "Executing statement: "))
}

func (t teller) Fatalf(string, ...any) {} // goose ends no program that is not its own
