package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"
	"github.com/lib/pq"
	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
	"github.com/tidemark-go/tidemark/internal/pgtest"
)

// The steps of an append must come in their order whatever plan the server has: lock, check, position. Here a step is
// slowed down: it waits for a lock that the test holds, before it does its work.
const slowly = `
	CREATE FUNCTION public.slowly(bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS
		$$ BEGIN PERFORM pg_advisory_lock_shared(42); PERFORM pg_advisory_unlock_shared(42); RETURN $1; END $$;
	CREATE FUNCTION public.slow_nextval(regclass) RETURNS bigint LANGUAGE sql VOLATILE AS
		$$ SELECT public.slowly(0); SELECT nextval($1) $$`

const (
	ourLocks = `SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND
		database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND `
	heldMarks   = ourLocks + `objsubid = 1 AND granted AND classid::bigint > 2147483647`
	heldStreams = ourLocks + `objsubid = 2 AND granted AND mode = 'ShareLock'`
	stopped     = ourLocks + `objid = 42 AND NOT granted`
)

// plans are ways in which the server runs a statement. It chooses by how many rows it believes there are, and what a plan
// does not need, it does not do.
var plans = map[string]string{
	"the server's choice": "",
	"tables, not indexes": "-c enable_indexscan=off -c enable_indexonlyscan=off -c enable_bitmapscan=off",
	"no nested loops":     "-c enable_nestloop=off",
	"nested loops only":   "-c enable_hashjoin=off -c enable_mergejoin=off -c enable_material=off",
}

// inEveryPlan runs a test by every plan, on a database of its own.
func inEveryPlan(t *testing.T, test func(t *testing.T, dsn string)) {
	for name, options := range plans {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u, err := url.Parse(pgtest.DSN(t))
			require.NoError(t, err)
			q := u.Query()
			q.Set("options", "-c jit=off "+options) // what is forbidden counts as so costly that it is worth a compiler
			u.RawQuery = q.Encode()
			test(t, u.String())
		})
	}
}

// slowed is a store whose appends stop in front of a step, and another one on the same tables that is as usual.
type slowed struct {
	*testing.T
	slow, usual *Store
	gate        *sqlx.Conn
}

func newSlowed(t *testing.T, dsn, step, slowStep string) *slowed {
	open := func() *Store {
		s, err := Open(t.Context(), dsn, &Options{NotifyInterval: -1})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	}
	s := &slowed{T: t, slow: open(), usual: open()}
	for _, st := range []*statement{s.slow.sql.appendOne, s.slow.sql.appendMany, s.slow.sql.appendAcross, s.slow.sql.appendBatch,
		s.slow.sql.appendSmall[2]} {
		require.Equal(t, 1, strings.Count(st.text, step), "the step to slow down, in\n%s", st.text)
		st.text = strings.Replace(st.text, step, slowStep, 1)
		require.Equal(t, 1, strings.Count(st.text, pq.QuoteLiteral(patience)))
		st.text = strings.Replace(st.text, pq.QuoteLiteral(patience), "'0'", 1) // the gate may take longer
	}
	_, err := s.usual.db.ExecContext(t.Context(), slowly)
	require.NoError(t, err)
	s.gate, err = s.usual.db.Connx(t.Context())
	require.NoError(t, err)
	s.exec(`SELECT pg_advisory_lock(42)`)
	t.Cleanup(func() { require.NoError(t, s.gate.Close()) })
	return s
}

func (s *slowed) exec(statement string) {
	s.Helper()
	_, err := s.gate.ExecContext(s.Context(), statement)
	require.NoError(s, err)
}

func (s *slowed) count(query string) (n int) {
	s.Helper()
	require.NoError(s, s.gate.GetContext(s.Context(), &n, query))
	return n
}

// append appends in a goroutine, and returns when it has come to the slow step.
func (s *slowed) append(writes ...driver.Write) <-chan error {
	s.Helper()
	return s.stopped(func() error {
		_, err := s.slow.Commit(s.Context(), writes)
		return err
	})
}

// stopped runs commit in a goroutine, and returns when it has come to the slow step.
func (s *slowed) stopped(commit func() error) <-chan error {
	s.Helper()
	done := make(chan error, 1)
	go func() { done <- commit() }()
	require.Eventually(s, func() bool {
		return s.count(stopped) == 1
	}, time.Minute, time.Millisecond)
	return done
}

// goOn lets the slow step do its work.
func (s *slowed) goOn(done <-chan error) {
	s.Helper()
	s.exec(`SELECT pg_advisory_unlock(42)`)
	require.NoError(s, <-done)
}

func (s *slowed) log() []driver.Record {
	s.Helper()
	page, err := s.usual.ReadAll(s.Context(), driver.AllQuery{Limit: 1000, MaxBytes: 1 << 20})
	require.NoError(s, err)
	return page.Records
}

func some(stream string, expected driver.ExpectedVersion, n int) driver.Write {
	w := driver.Write{Stream: driver.StreamID{Type: "order", ID: stream}, Expected: expected}
	for range n {
		w.Events = append(w.Events, driver.Event{ID: uuid.New(), Type: "placed", Schema: 1, ContentType: contentTypeJSON,
			Data: []byte(`{}`), RecordedAt: time.Unix(0, 0)})
	}
	return w
}

func TestTheOrderOfAnAppend(t *testing.T) {
	for name, late := range map[string][]driver.Write{
		"of an event":                     {some("late", driver.Any, 1)},
		"of three events":                 {some("late", driver.Any, 3)},
		"of two streams, the later first": {some("late", driver.Any, 2), some("last", driver.Any, 1)},
	} {
		// expecting returns the writes with an expectation of the first, and how many events they have.
		expecting := func(expected driver.ExpectedVersion) (writes []driver.Write, events int) {
			writes = slices.Clone(late)
			writes[0].Expected = expected
			for _, w := range writes {
				events += len(w.Events)
			}
			return writes, events
		}
		t.Run(name+": the lock is held, and the version checked, before a position is taken", func(t *testing.T) {
			inEveryPlan(t, func(t *testing.T, dsn string) {
				s := newSlowed(t, dsn, "nextval(", "public.slow_nextval(")
				refused, _ := expecting(7)
				_, err := s.slow.Commit(t.Context(), refused)
				var conflict *driver.ConflictError
				require.ErrorAs(t, err, &conflict, "a conflict never comes to the positions")

				writes, n := expecting(driver.Any)
				done := s.append(writes...)
				require.Equal(t, 1, s.count(heldMarks))
				require.Equal(t, len(writes), s.count(heldStreams))
				_, err = s.usual.Commit(t.Context(), []driver.Write{some("early", driver.Any, 2)})
				require.NoError(t, err)
				require.Empty(t, s.log(), "the early ones are behind the late one's bound")
				s.goOn(done)
				require.Len(t, s.log(), 2+n)
			})
		})
		t.Run(name+": the locks are held before a version is read", func(t *testing.T) {
			inEveryPlan(t, func(t *testing.T, dsn string) {
				s := newSlowed(t, dsn, "SELECT e.version FROM", "SELECT public.slowly(e.version) FROM")
				_, err := s.usual.Commit(t.Context(), []driver.Write{some("late", driver.Any, 1)})
				require.NoError(t, err)
				writes, n := expecting(1)
				done := s.append(writes...)
				require.Equal(t, 1, s.count(heldMarks))
				require.Equal(t, len(writes), s.count(heldStreams))
				require.Equal(t, 1, s.count(`SELECT last_value FROM tidemark.events_position_seq`), "no position is taken")
				s.goOn(done)
				require.Len(t, s.log(), 1+n)
			})
		})
	}
}

// holds has a transaction hold a stream until the test is over: with an event in it, or with nothing but a check.
func holds(t *testing.T, s *Store, check bool) {
	held := []driver.Write{some("held", driver.Any, 1)}
	if check {
		held = []driver.Write{some("held", driver.NoStream, 0), some("another", driver.Any, 1)}
	}
	ctx, end := context.WithCancel(t.Context())
	began, ended := make(chan error), make(chan error, 1)
	go func() {
		ended <- s.Transact(ctx, func(tx context.Context) error {
			_, err := s.Commit(tx, held)
			began <- err
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	t.Cleanup(func() {
		end()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
	require.NoError(t, <-began)
}

func TestAnAppendThatIsNobodysTurnGivesUpAStreamThatIsHeld(t *testing.T) {
	held, free := some("held", driver.Any, 1), some("free", driver.Any, 1)
	for how, check := range map[string]bool{"by an event": false, "by a check": true} {
		t.Run(how, func(t *testing.T) {
			inEveryPlan(t, func(t *testing.T, dsn string) {
				s, err := Open(t.Context(), dsn, &Options{NotifyInterval: -1})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				holds(t, s, check)
				for name, writes := range map[string][]driver.Write{
					"one event": {held}, "some events": {some("held", driver.Any, 3)}, "some streams": {free, held},
					"a check besides": {free, some("held", driver.Any, 0)}, "so many streams that the locks are coarse": manyStreams(held),
				} {
					_, err := s.Commit(t.Context(), writes)
					require.ErrorIs(t, err, driver.ErrHeld, name)
				}
				for name, n := range map[string]int{"small": 1, "large": 20} {
					commits := [][]driver.Write{{held}, {some("held", 0, 1)}, {some("free", driver.Any, 2)}, {some("held", 0, 1), free}}
					for range n {
						commits = append(commits, []driver.Write{some("free "+name, driver.Any, 1)})
					}
					outcomes, err := s.CommitBatch(t.Context(), commits)
					require.NoError(t, err, name)
					for i, o := range outcomes {
						require.Equal(t, commits[i][0].Stream.ID == "held", errors.Is(o.Err, driver.ErrHeld), "%s batch: commit %d: %v", name, i, o.Err)
					}
				}
			})
		})
	}
}

// manyStreams are more streams than an append has fine locks for.
func manyStreams(first driver.Write) []driver.Write {
	writes := []driver.Write{first}
	for i := range maxFine {
		writes = append(writes, some(fmt.Sprint("many ", i), driver.Any, 1))
	}
	return writes
}

func TestTheOrderOfASmallBatch(t *testing.T) {
	for _, step := range []struct {
		at, slow string
		first    string // the type of the stream that is there before
		version  int64  // the version of the batch's stream of that name, afterwards
	}{
		{"nextval(", "public.slow_nextval(", "another", 1},
		{"SELECT e.version FROM", "SELECT public.slowly(e.version) FROM", "order", 2},
	} {
		t.Run("the locks are held before "+step.at, func(t *testing.T) {
			inEveryPlan(t, func(t *testing.T, dsn string) {
				s := newSlowed(t, dsn, step.at, step.slow)
				first := some("a", driver.Any, 1)
				first.Stream.Type = step.first
				_, err := s.usual.Commit(t.Context(), []driver.Write{first})
				require.NoError(t, err)
				var outcomes []driver.Outcome
				late := s.stopped(func() (err error) {
					outcomes, err = s.slow.CommitBatch(t.Context(), [][]driver.Write{{some("a", driver.Any, 1)}, {some("b", driver.NoStream, 1)}})
					return err
				})
				require.Equal(t, 1, s.count(heldMarks))
				require.Equal(t, 2, s.count(heldStreams))
				_, err = s.usual.Commit(t.Context(), []driver.Write{some("early", driver.Any, 2)})
				require.NoError(t, err)
				require.Len(t, s.log(), 1, "the early ones are behind the late ones' bound")
				s.goOn(late)
				require.Len(t, s.log(), 5)
				require.Equal(t, step.version, outcomes[0].Receipts[0].Version)
				require.Equal(t, int64(1), outcomes[1].Receipts[0].Version)
			})
		})
	}
}

// Calls that prepare their statement at the same time don't wait for each other's connections: one of them may hold the lock
// that the others wait for there.
func TestCallsThatPrepareAStatementAtOnceWaitForNobody(t *testing.T) {
	const callers = 8
	s := newSlowed(t, pgtest.DSN(t), "nextval(", "public.slow_nextval(")
	for range 20 {
		st := &statement{text: `SELECT public.slowly(1)`}
		s.usual.sql.all = append(s.usual.sql.all, st)
		errs := make(chan error, callers)
		for range callers {
			go func() { errs <- conn{store: s.usual}.each(t.Context(), st, func(*sql.Rows) error { return nil }) }()
		}
		require.Eventually(t, func() bool { return s.count(stopped) == callers }, time.Minute, time.Millisecond)
		s.exec(`SELECT pg_advisory_unlock(42)`)
		for range callers {
			require.NoError(t, <-errs)
		}
		s.exec(`SELECT pg_advisory_lock(42)`)
	}
}

// A first try that is committed while its retry is being refused is what the retry is told of.
func TestARetryWhoseFirstTryIsCommittedWhileItIsRefused(t *testing.T) {
	s := newSlowed(t, pgtest.DSN(t), "nextval(", "public.slow_nextval(")
	s.slow.sql.versions.text = strings.Replace(s.slow.sql.versions.text, "SELECT e.version", "SELECT public.slowly(e.version)", 1)
	_, err := s.usual.Commit(t.Context(), []driver.Write{some("a", driver.Any, 1)})
	require.NoError(t, err)
	retried := some("a", 1, 1)
	retried.Expected = driver.NoStream
	refused := s.append(retried)
	retried.Expected = 1
	_, err = s.usual.Commit(t.Context(), []driver.Write{retried})
	require.NoError(t, err)
	s.exec(`SELECT pg_advisory_unlock(42)`)
	var duplicate *driver.DuplicateError
	require.ErrorAs(t, <-refused, &duplicate)
}

// A commit between the two statements of a reader is above its mark, or visible to both.
func TestACommitBetweenTheMarkAndTheRows(t *testing.T) {
	s, err := Open(t.Context(), pgtest.DSN(t), nil)
	require.NoError(t, err)
	defer s.Close()
	var committed []driver.Record
	next := int64(0)
	for range 5 {
		late, err := s.db.BeginTxx(t.Context(), nil)
		require.NoError(t, err)
		writes := []driver.Write{some("late", driver.Any, 1)}
		_, err = conn{store: s, tx: late}.attempt(t.Context(), writes, guardsFor(writes, true))
		require.NoError(t, err)
		_, err = s.Commit(t.Context(), []driver.Write{some("early", driver.Any, 1)})
		require.NoError(t, err)

		r := logReader{conn: conn{store: s}, q: driver.AllQuery{Limit: 100}, page: page{limit: 100, maxBytes: 1 << 20}, next: next}
		mark, err := r.readMark(t.Context())
		require.NoError(t, err)
		require.NoError(t, late.Commit())
		_, err = s.Commit(t.Context(), []driver.Write{some("between", driver.Any, 2)})
		require.NoError(t, err)
		require.NoError(t, r.readTo(t.Context(), mark))
		next = r.next
		committed = append(committed, r.page.records...)
	}
	rest, err := s.ReadAll(t.Context(), driver.AllQuery{After: next, Limit: 100, MaxBytes: 1 << 20})
	require.NoError(t, err)
	all, err := s.ReadAll(t.Context(), driver.AllQuery{Limit: 100, MaxBytes: 1 << 20})
	require.NoError(t, err)
	require.Len(t, all.Records, 20)
	require.Equal(t, all.Records, append(committed, rest.Records...))
}

// The events of a large append to many streams take their positions in their order, whatever way the server joins them
// with their streams.
func TestPositionsOfALargeAppend(t *testing.T) {
	s, err := Open(t.Context(), pgtest.DSN(t), nil)
	require.NoError(t, err)
	defer s.Close()
	for _, prepare := range []string{`SELECT`, `ANALYZE`, `ANALYZE`} {
		_, err := s.db.ExecContext(t.Context(), prepare)
		require.NoError(t, err)
		var writes []driver.Write
		for i := range 60 {
			writes = append(writes, some(fmt.Sprintf("%s-%d", uuid.NewString(), i), driver.NoStream, 1+i%40))
		}
		receipts, err := s.Commit(t.Context(), writes)
		require.NoError(t, err)
		last := int64(0)
		for i, w := range writes {
			stored, err := s.ReadStream(t.Context(), driver.StreamQuery{Stream: w.Stream, From: 1, Limit: 100, MaxBytes: 1 << 20})
			require.NoError(t, err)
			require.Len(t, stored, len(w.Events))
			for j, r := range stored {
				require.Equal(t, w.Events[j].ID, r.ID)
				require.Equal(t, last+1, r.Position-receipts[0].Position+int64(len(writes[0].Events)))
				last++
			}
			require.Equal(t, driver.Receipt{Version: int64(len(w.Events)), Position: stored[len(stored)-1].Position}, receipts[i])
		}
	}
}

// A trigger stops an append between its two streams. Stored in the order of the writes, each would have one by then that the
// other waits for.
func TestAppendsToTheSameStreamsInOppositeOrderDontDeadlock(t *testing.T) {
	u, err := url.Parse(pgtest.DSN(t))
	require.NoError(t, err)
	q := u.Query()
	q.Set("deadlock_timeout", "20ms")
	u.RawQuery = q.Encode()
	s := newSlowed(t, u.String(), "nextval(", "nextval(") // for its gate
	s.exec(`CREATE FUNCTION public.pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF current_setting('test.stored', true) = 'yes' THEN
			PERFORM public.slowly(0);
		END IF;
		PERFORM set_config('test.stored', 'yes', true);
		RETURN NEW;
	END $$`)
	s.exec(`CREATE TRIGGER pause BEFORE INSERT ON tidemark.events FOR EACH ROW EXECUTE FUNCTION public.pause()`)

	first := s.append(some("a", driver.Any, 1), some("b", driver.Any, 1))
	second := make(chan error, 1)
	go func() {
		_, err := s.slow.Commit(t.Context(), []driver.Write{some("b", driver.Any, 1), some("a", driver.Any, 1)})
		second <- err
	}()
	require.Eventually(t, func() bool {
		return s.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 2
	}, time.Minute, time.Millisecond)
	s.goOn(first)
	err = <-second
	require.ErrorIs(t, err, driver.ErrRace)
	require.Equal(t, uniqueViolation, sqlState(err), "it has lost the race, and is no deadlock's victim")
	require.Len(t, s.log(), 2)
}
