package rows

import "github.com/jackc/pgx/v5/pgconn"

// Step is a statement that stores rows of a table. It returns how many it did not store although
// they were to be stored.
type Step struct {
	Table string
	Do    func() (missing int64, err error)
}

// Whole takes steps. What another session stored meanwhile is here when a step is taken again; a
// row that a trigger swallows is not.
func Whole(steps ...Step) error {
	for _, step := range steps {
		missing, err := step.Do()
		if err == nil && missing > 0 {
			missing, err = step.Do()
		}
		if err == nil && missing > 0 {
			err = swallowed(step.Table)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// swallowed is what a trigger of the site should have raised instead of passing over a row in
// silence.
func swallowed(table string) error {
	return &pgconn.PgError{
		Severity: "ERROR", Code: "23000", // a constraint that nothing names
		Message: "a trigger or rule of the site's database swallowed a row of table " + table + ": it was not stored, and no error reported",
	}
}
