package master

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"

	"github.com/jackc/pgx/v5/pgconn"
)

// fault is an error as the AFE words it: the name of a Python class and its message.
type fault struct{ name, message string }

func (f *fault) Error() string { return f.name + ": " + f.message }

// traceback returns a traceback for the client to log. The original's would list files of an
// Autotest tree, which does not exist here.
func (f *fault) traceback() string {
	return "Traceback (most recent call last):\n  (reference master)\n" + f.Error() + "\n"
}

// asFault gives an error of the database the name that Django gives it. The text is PostgreSQL's
// own.
func asFault(err error) *fault {
	var known *fault
	if errors.As(err, &known) {
		return known
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		// A proxy or a pooler may leave the SQLSTATE out, or shorten it.
		switch pgErr.Code[:min(len(pgErr.Code), 2)] {
		case "22":
			return &fault{name: "DataError", message: pgErr.Message}
		case "23":
			return &fault{name: "IntegrityError", message: pgErr.Message}
		}
	}
	return &fault{name: "OperationalError", message: err.Error()}
}

// writeEnvelope answers a call. The answer is HTTP 200 even when it holds an error.
func writeEnvelope(w http.ResponseWriter, result []byte, failure *fault, id json.RawMessage) {
	before := `{"error": null, "result": `
	if failure != nil {
		text, err := json.Marshal(map[string]string{
			"name": failure.name, "message": failure.message, "traceback": failure.traceback(),
		})
		if err != nil {
			writePage(w, failure)
			return
		}
		before, result = `{"error": `+string(text)+`, "result": `, []byte("null")
	}
	after := fmt.Sprintf(`, "id": %s}`, id)
	w.Header().Set("Content-Type", contentType)
	for _, part := range [][]byte{[]byte(before), result, []byte(after)} {
		if _, err := w.Write(part); err != nil {
			return // the caller is gone
		}
	}
}

// writePage answers a request that is not a call with HTTP 500 and a page for people.
func writePage(w http.ResponseWriter, failure *fault) {
	last := failure.name
	if failure.message != "" {
		last = failure.Error()
	}
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(http.StatusInternalServerError)
	_, _ = fmt.Fprintf(w, `<html><head><body>
<!-- starting with sys.exc_info but hey, it's python -->
Type:  <br />
Value: %s <br />
Traceback: Traceback (most recent call last):
%s
 <br />
</body></head></html>
`, html.EscapeString(failure.message), html.EscapeString(last))
}
