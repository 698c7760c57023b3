-- How transactions begin and end. They are statements like others, so that the first one and the
-- last one of a transaction can travel with its neighbours (runner/pg).

-- Whatever the default of the role is: once a row lock is won, the next statement must see what its
-- former holder has committed. It does not say READ WRITE: a server that was made read-only,
-- because another one takes the writes now, must refuse it.
-- name: WriteBegin :exec
BEGIN ISOLATION LEVEL READ COMMITTED;

-- name: SnapshotBegin :exec
BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;

-- In this transaction, everything is found by an index if there is one, and nothing is compiled. An
-- index is read from one end, which leaves dead entries marked; a bitmap would read them each time.
-- What PostgreSQL believes about a table may be old: after a backlog of 10,000 jobs had gone up, it
-- read every job, or compiled for half a second, for as long as its statistics spoke of the
-- backlog. And a plan is kept for the session: one that was made while a table had a page would
-- read all of it, for each row of a chunk, when it has thousands. For the same reason plans are not
-- kept from the first call on: one that was made for an empty table joins each row with each.
-- name: PlansByKey :exec
SELECT
    pg_catalog.set_config('enable_seqscan', 'off', true),
    pg_catalog.set_config('enable_bitmapscan', 'off', true),
    pg_catalog.set_config('jit', 'off', true);

-- Its tag is ROLLBACK if a statement had failed.
-- name: TransactionCommit :execresult
COMMIT;

-- name: TransactionUndo :exec
ROLLBACK;
