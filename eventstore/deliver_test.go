package eventstore_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/drivers/memory"
	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
	"github.com/tidemark-go/tidemark/upcaster"
)

// Numbers become events of another type: none, one, two or three.
type (
	number struct{ N int }
	digit  struct{ N, Nth int }
)

func spread(t *testing.T) *upcaster.Chain {
	t.Helper()
	chain, err := upcaster.New(upcaster.Split(upcaster.V("number", 1), []upcaster.Type{upcaster.V("digit", 1)},
		func(e upcaster.Event, c upcaster.Codec) (parts []upcaster.Event, err error) {
			var n number
			if err := c.Unmarshal(e.Data, &n); err != nil {
				return nil, err
			}
			for nth := range n.N % 4 {
				part := e
				part.Type = upcaster.V("digit", 1)
				if part.Data, err = c.Marshal(digit{n.N, nth}); err != nil {
					return nil, err
				}
				parts = append(parts, part)
			}
			return parts, nil
		}))
	require.NoError(t, err)
	return chain
}

// TestBigPagesComeInOrderWhateverEventsBecome compares all read paths with what the upcaster makes, counted by hand.
func TestBigPagesComeInOrderWhateverEventsBecome(t *testing.T) {
	t.Parallel()
	d := memory.New()
	before := serializer.NewRegistry(nil)
	serializer.Register[number](before, "number")
	const n = 1200
	list := make([]any, n)
	var want []any
	for i := range list {
		list[i] = number{i}
		for nth := range i % 4 {
			want = append(want, digit{i, nth})
		}
	}
	mustAppend(t, open(t, d, before, nil), ada, list...)
	now := serializer.NewRegistry(nil)
	serializer.Register[digit](now, "digit")
	s := open(t, d, now, &eventstore.Options{Upcasters: spread(t)})

	stream, err := collect(s.Stream(t.Context(), ada, nil))
	require.NoError(t, err)
	require.Equal(t, want, payloads(stream))
	log, err := collect(s.All(t.Context(), 0, nil))
	require.NoError(t, err)
	require.Equal(t, stream, log)
	page, err := s.ReadAll(t.Context(), 0, &eventstore.ReadOptions{Limit: n})
	require.NoError(t, err)
	require.Equal(t, stream, page.Events)
	require.EqualValues(t, n, page.Next)
}

// brittle can't be decoded in one way or another.
type brittle struct{ How string }

var errBrittle = errors.New("brittle")

func (b *brittle) UnmarshalJSON(data []byte) error {
	var how struct{ How string }
	if err := json.Unmarshal(data, &how); err != nil {
		return err
	}
	switch b.How = how.How; b.How {
	case "error":
		return errBrittle
	case "panic":
		panic(errBrittle)
	case "exit":
		runtime.Goexit()
	}
	return nil
}

// openBrittle holds a page of events of which some can't be decoded.
func openBrittle(t *testing.T, bad map[int]string) *eventstore.Store {
	t.Helper()
	reg := serializer.NewRegistry(nil)
	serializer.Register[brittle](reg, "brittle")
	s := open(t, memory.New(), reg, nil)
	list := make([]any, 300)
	for i := range list {
		list[i] = brittle{bad[i+1]}
	}
	mustAppend(t, s, ada, list...)
	return s
}

func TestTheFirstEventThatCanNotBeDecodedEndsTheReadAtItsPlace(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"error", "panic"} {
		for _, at := range []int{1, 2, 32, 33, 64, 150, 300} {
			t.Run(fmt.Sprint(how, " at ", at), func(t *testing.T) {
				t.Parallel()
				s := openBrittle(t, map[int]string{at: how, 290: "error", 300: "error"})
				events, err := collect(s.Stream(t.Context(), ada, nil))
				isBrittleAt(t, min(at, 290), events, err)
				events, err = collect(s.All(t.Context(), 0, nil))
				isBrittleAt(t, min(at, 290), events, err)
				page, err := s.ReadAll(t.Context(), 0, nil)
				isBrittleAt(t, min(at, 290), page.Events, err)
				require.EqualValues(t, len(page.Events), page.Next)
			})
		}
	}
}

func isBrittleAt(t *testing.T, at int, events []eventstore.Event, err error) {
	t.Helper()
	require.ErrorIs(t, err, errBrittle)
	var damaged *eventstore.DecodeError
	require.ErrorAs(t, err, &damaged)
	require.EqualValues(t, at, damaged.Version)
	require.Len(t, events, at-1)
}

func TestNoPartOfAnEventIsHandedOutIfOneOfThemCanNotBeDecoded(t *testing.T) {
	t.Parallel()
	for _, at := range []int{1, 3, 200} {
		t.Run(fmt.Sprint("at ", at), func(t *testing.T) {
			t.Parallel()
			d := memory.New()
			before := serializer.NewRegistry(nil)
			serializer.Register[number](before, "number")
			list := make([]any, 300)
			for i := range list {
				list[i] = number{i + 1}
			}
			mustAppend(t, open(t, d, before, nil), ada, list...)
			now := serializer.NewRegistry(nil)
			serializer.Register[brittle](now, "brittle")
			s := open(t, d, now, &eventstore.Options{Upcasters: halved(t, int64(at))})

			stream, err := collect(s.Stream(t.Context(), ada, nil))
			require.ErrorIs(t, err, errBrittle)
			require.Len(t, stream, 2*(at-1))
			log, err := collect(s.All(t.Context(), 0, nil))
			require.ErrorIs(t, err, errBrittle)
			require.Equal(t, stream, log)
			page, err := s.ReadAll(t.Context(), 0, nil)
			require.ErrorIs(t, err, errBrittle)
			require.Len(t, page.Events, len(stream))
			require.EqualValues(t, at-1, page.Next)
			followed, err := collect(s.Subscribe(t.Context(), 0, nil))
			require.ErrorIs(t, err, errBrittle)
			require.Equal(t, stream, followed)
		})
	}
}

// halved makes two events of each number, the second of which can't be decoded if it is of the version bad.
func halved(t *testing.T, bad int64) *upcaster.Chain {
	t.Helper()
	half := upcaster.V("brittle", 1)
	chain, err := upcaster.New(upcaster.Split(upcaster.V("number", 1), []upcaster.Type{half},
		func(e upcaster.Event, _ upcaster.Codec) ([]upcaster.Event, error) {
			e.Type, e.Data = half, []byte(`{}`)
			second := e
			if e.Version == bad {
				second.Data = []byte(`{"How":"error"}`)
			}
			return []upcaster.Event{e, second}, nil
		}))
	require.NoError(t, err)
	return chain
}

// A test may end its goroutine in a method that decodes, by t.FailNow for one.
func TestTheEndOfAGoroutineWhileDecodingIsTheReadersOwn(t *testing.T) {
	t.Parallel()
	s := openBrittle(t, map[int]string{200: "exit"})
	n, returned := 0, false
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range s.Stream(t.Context(), ada, nil) {
			n++
		}
		returned = true
	}()
	<-done
	require.False(t, returned)
	require.Less(t, n, 200)
}

func TestALoopMayBeLeftAnywhereInABigPage(t *testing.T) {
	t.Parallel()
	_, s := openPaged(t, 300)
	for _, at := range []int64{1, 31, 32, 33, 150, 299, 300} {
		var last int64
		for e, err := range s.Stream(t.Context(), ada, nil) {
			require.NoError(t, err)
			if last = e.Version; last == at {
				break
			}
		}
		require.Equal(t, at, last)
	}
}

// BenchmarkRead measures the portable layer alone, on pages that are in memory already.
func BenchmarkRead(b *testing.B) {
	reg := serializer.NewRegistry(nil)
	serializer.Register[opened](reg, "account.opened")
	s, err := eventstore.New(memory.New(), reg, nil)
	require.NoError(b, err)
	events := make([]eventstore.NewEvent, 5000)
	for i := range events {
		events[i] = eventstore.NewEvent{Payload: opened{Owner: fmt.Sprint("owner ", i)}, Metadata: eventstore.Metadata{
			eventstore.KeyCorrelationID: fmt.Sprint("request-", i), "user": "ada"}}
	}
	_, err = s.Append(b.Context(), ada, eventstore.NoStream, events...)
	require.NoError(b, err)
	for _, n := range []int{10, 100, 5000} {
		b.Run(fmt.Sprint(n, " events"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range s.Stream(b.Context(), ada, &eventstore.StreamOptions{Limit: n}) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/event")
		})
	}
}
