package move

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"shardclient/gen/movedb"
	"shardclient/runner/lock"
	"shardclient/runner/pg"
)

// way says how the rows of a table go back.
type way struct {
	table, key string
	named      string // the column by which a row is known again
	// writes are the columns of a row that exists which a scheduler or a client may have written;
	// others stay as MySQL has them.
	writes []string
	// owned are rows that belong to another one and whose ids mean nothing to the master: those of
	// the owners that are here are replaced, whatever ids they have.
	owned bool
}

// back are the tables that go back, each after those that it refers to.
var back = []way{
	{table: "afe_shards", key: "id"},
	{table: "afe_labels", key: "id"},
	{table: "afe_users", key: "id"},
	{table: "afe_acl_groups", key: "id"},
	{table: "afe_hosts", key: "id", named: "hostname", writes: strings.Fields(
		"status locked locked_by_id lock_time lock_reason leased dirty protection synch_id invalid shard_id")},
	{table: "afe_jobs", key: "id", named: "name", writes: []string{"shard_id"}},
	{table: "afe_host_queue_entries", key: "id", writes: strings.Fields(
		"status active complete deleted aborted execution_subdir started_on finished_on host_id meta_host")},
	{table: "afe_aborted_host_queue_entries", key: "queue_entry_id"},
	{table: "afe_acl_groups_users", key: "aclgroup_id", owned: true},
	{table: "afe_acl_groups_hosts", key: "host_id", owned: true},
	{table: "afe_hosts_labels", key: "host_id", owned: true},
	{table: "afe_host_attributes", key: "host_id", owned: true},
	{table: "afe_jobs_dependency_labels", key: "job_id", owned: true},
	{table: "afe_job_keyvals", key: "job_id", owned: true},
}

// Export writes what is here back to the MySQL that was imported, in one transaction of it. The
// lock is held, and nothing here is changed.
func Export(ctx context.Context, from *lock.Lock, to *mysql.Config, o Options) (*Returned, error) {
	source, err := Open(ctx, to) // it is a shard's
	if err != nil {
		return nil, err
	}
	defer source.Close()
	loose, err := source.texts(ctx, statement("without_transactions"))
	if err != nil {
		return nil, err
	}
	for _, w := range back {
		if slices.Contains(loose, w.table) {
			return nil, &Refusal{
				Cause:  w.table + " of MySQL knows no transactions: an export that fails would leave half of it there",
				Remedy: "make " + w.table + " a table of the engine InnoDB first",
			}
		}
	}
	tx, err := source.db.BeginTx(ctx, nil)
	if err != nil {
		return nil, ofMySQL(err)
	}
	defer func() { _ = tx.Rollback() }() // unless it is committed
	e := &exporting{Options: o, tx: tx, source: source, report: Returned{Outcome: "exported", Tables: []ReturnedOf{}}}
	// It writes nothing, but nobody else may, either.
	err = from.WriteRows(ctx, func(db *pg.Tx) error { return e.run(ctx, db) })
	if err == nil && o.DryRun {
		e.report.Outcome = "dry_run"
	} else if err == nil {
		err = ofMySQL(tx.Commit())
	}
	return &e.report, err
}

type exporting struct {
	Options
	tx     *sql.Tx
	source *Source
	report Returned
	unsent map[string]bool
	owners map[string][]int64 // ids by the column that names them
	met    bool               // a job or host is on both sides
}

func (e *exporting) run(ctx context.Context, db pg.DB) error {
	ids, err := movedb.New(db).UnsentJobs(ctx)
	if err != nil {
		return err
	}
	others, err := movedb.New(db).OtherSessions(ctx, e.Program)
	if err != nil {
		return err
	}
	e.report.Others = append(e.source.others, others...)
	e.report.Tables, e.met, e.report.Shortened = []ReturnedOf{}, false, 0
	e.report.WaitingJobs, e.unsent, e.owners = ids, map[string]bool{}, map[string][]int64{}
	for _, id := range ids {
		e.unsent[strconv.FormatInt(id, 10)] = true
	}
	for _, w := range back {
		if !slices.Contains(e.source.tables, w.table) {
			continue
		}
		e.At(w.table)
		if err := e.table(ctx, db, w); err != nil {
			return fmt.Errorf("write %s: %w", w.table, err)
		}
		if w.table == "afe_jobs" && !e.met {
			return ErrNotImported
		}
	}
	return nil
}

// rows reads a table of PostgreSQL as texts that MySQL understands, by the columns that both have.
func (e *exporting) rows(ctx context.Context, db pg.DB, w way) (columns []string, rows [][]any, err error) {
	theirs, err := e.source.read(ctx, statement("empty_table", "{table}", w.table), func([]string, []*string) {})
	if err != nil {
		return nil, nil, err
	}
	// As texts: a boolean is t or f, and all others are as MySQL writes them.
	found, err := db.Query(ctx, statement("of_postgres", "{table}", pgx.Identifier{w.table}.Sanitize()), pgx.QueryResultFormats{pgx.TextFormatCode})
	if err != nil {
		return nil, nil, err
	}
	defer found.Close()
	var places []int
	booleans := map[int]bool{}
	for i, field := range found.FieldDescriptions() {
		if !slices.Contains(theirs, field.Name) || w.owned && field.Name == "id" {
			continue
		}
		places, columns = append(places, i), append(columns, field.Name)
		booleans[i] = field.DataTypeOID == 16
	}
	for found.Next() {
		raw, row := found.RawValues(), make([]any, 0, len(places))
		for n, i := range places {
			switch text := string(raw[i]); {
			case raw[i] == nil, text == "infinity", text == "-infinity":
				row = append(row, nil)
			case booleans[i]:
				row = append(row, text == "t")
			case strings.HasSuffix(columns[n], "_on") || columns[n] == "lock_time":
				whole, _, _ := strings.Cut(text, ".") // MySQL would round up to a second that has not come
				row = append(row, whole)
			default:
				row = append(row, text)
			}
		}
		rows = append(rows, row)
	}
	return columns, rows, found.Err()
}

func (e *exporting) table(ctx context.Context, db pg.DB, w way) error {
	columns, rows, err := e.rows(ctx, db, w)
	if err != nil {
		return err
	}
	key := slices.Index(columns, w.key)
	if key < 0 {
		return fmt.Errorf("it has no column %s in MySQL", w.key)
	}
	ids := make([]int64, len(rows))
	for i, row := range rows {
		if ids[i], err = strconv.ParseInt(row[key].(string), 10, 64); err != nil {
			return err
		}
		if w.table == "afe_jobs" && e.unsent[row[key].(string)] {
			row[slices.Index(columns, "shard_id")] = nil
		}
	}
	e.owners[map[string]string{"afe_hosts": "host_id", "afe_jobs": "job_id", "afe_acl_groups": "aclgroup_id"}[w.table]] = ids
	e.report.Tables = append(e.report.Tables, ReturnedOf{Table: w.table})
	if w.table == "afe_host_queue_entries" {
		if err := e.beforeEntries(ctx, columns, rows, ids); err != nil {
			return err
		}
	}
	if w.owned {
		return e.replace(ctx, w, columns, rows, append(ids, e.owners[w.key]...))
	}
	return e.merge(ctx, w, columns, rows, ids)
}

// replace writes all rows of some owners anew.
func (e *exporting) replace(ctx context.Context, w way, columns []string, rows [][]any, owners []int64) error {
	slices.Sort(owners)
	for some := range slices.Chunk(slices.Compact(owners), batch) {
		if _, err := e.tx.ExecContext(ctx, statement("clear", "{table}", w.table, "{key}", w.key, "{ids}", listed(some))); err != nil {
			return ofMySQL(err)
		}
	}
	insert, err := e.prepare(ctx, w, "insert", columns)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	for _, row := range rows {
		if err := e.write(ctx, insert, row, &e.report.Tables[len(e.report.Tables)-1].Inserted); err != nil {
			return err
		}
	}
	return nil
}

// merge inserts the rows that MySQL does not have, and updates of the others what may have changed.
func (e *exporting) merge(ctx context.Context, w way, columns []string, rows [][]any, ids []int64) error {
	there := map[int64]bool{}
	for some := range slices.Chunk(ids, batch) {
		found, err := e.source.ids(ctx, statement("keys", "{table}", w.table, "{key}", w.key, "{ids}", listed(some)))
		if err != nil {
			return err
		}
		for _, id := range found {
			there[id] = true
		}
	}
	if err := e.meet(ctx, w, columns, rows, ids); err != nil {
		return err
	}
	writes := slices.DeleteFunc(slices.Clone(w.writes), func(name string) bool { return !slices.Contains(columns, name) })
	insert, err := e.prepare(ctx, w, "insert", columns)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }()
	var update *sql.Stmt
	if len(writes) > 0 {
		if update, err = e.prepare(ctx, w, "update", writes); err != nil {
			return err
		}
		defer func() { _ = update.Close() }()
	}
	count := &e.report.Tables[len(e.report.Tables)-1]
	for i, row := range rows {
		switch {
		case !there[ids[i]]:
			err = e.write(ctx, insert, row, &count.Inserted)
		case update != nil:
			var values []any
			for _, name := range writes {
				values = append(values, row[slices.Index(columns, name)])
			}
			err = e.write(ctx, update, append(values, ids[i]), &count.Updated)
		}
		if err != nil {
			return fmt.Errorf("%s %d: %w", w.key, ids[i], err)
		}
	}
	return nil
}

func (e *exporting) prepare(ctx context.Context, w way, name string, columns []string) (*sql.Stmt, error) {
	quoted := make([]string, len(columns))
	for i, c := range columns {
		if quoted[i] = "`" + c + "`"; name == "update" {
			quoted[i] += " = ?"
		}
	}
	places := strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", ")
	prepared, err := e.tx.PrepareContext(ctx, statement(name,
		"{table}", w.table, "{key}", w.key, "{columns}", strings.Join(quoted, ", "), "{places}", places))
	return prepared, ofMySQL(err)
}

// write writes one row, and counts it if that changed something.
func (e *exporting) write(ctx context.Context, as *sql.Stmt, values []any, count *int64) error {
	done, err := as.ExecContext(ctx, values...)
	if err != nil {
		return ofMySQL(err)
	}
	changed, err := done.RowsAffected()
	if err != nil {
		return ofMySQL(err)
	}
	var warnings int64
	if err := e.tx.QueryRowContext(ctx, statement("warnings")).Scan(&warnings); err != nil {
		return ofMySQL(err)
	}
	*count += changed
	e.report.Shortened += min(warnings, 1)
	return nil
}
