package postgres_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func TestJSONIsQueryableAndStaysAsItIs(t *testing.T) {
	s := fresh(t)
	payloads := []string{
		`{"total": 42.10, "lines":[{"sku":"A-1"}]}`,
		`{"nul":"a\u0000b", "total":1}`,
		` {"b":1,  "a":2, "a":3, "big":123456789012345678901234567890.00} `,
	}
	w := driver.Write{Stream: order("a"), Expected: driver.NoStream}
	for _, p := range payloads {
		w.Events = append(w.Events, event(p))
	}
	commit(t, t.Context(), s, w)
	commit(t, t.Context(), s, driver.Write{Stream: order("b"), Expected: driver.NoStream, Events: []driver.Event{event(payloads[0])}})
	got := append(readStream(t, t.Context(), s, order("a")), readStream(t, t.Context(), s, order("b"))...)
	for i, want := range append(payloads, payloads[0]) {
		require.Equal(t, want, string(got[i].Data))
	}
	require.Equal(t, "42.10", get[string](t, s.DB(), `SELECT event_data ->> 'total' FROM tidemark.events WHERE global_position = $1`, got[0].Position))
	require.Equal(t, "A-1", get[string](t, s.DB(), `SELECT event_data #>> '{lines,0,sku}' FROM tidemark.events WHERE global_position = $1`, got[0].Position))
	_, err := s.DB().ExecContext(t.Context(), `SELECT event_data -> 'total' FROM tidemark.events`)
	require.Error(t, err, "the operators refuse a payload with a NUL")
	require.Equal(t, 2, get[int](t, s.DB(), `SELECT count(*) FROM tidemark.events
		WHERE CASE WHEN event_data::text NOT LIKE '%\\u0000%' THEN event_data -> 'lines' IS NOT NULL END`), "unless it is kept from them")
	require.Equal(t, "abc", get[string](t, s.DB(), `SELECT metadata ->> 'correlation_id' FROM tidemark.events WHERE global_position = $1`, got[0].Position))
}

func TestOtherPayloadsAreBytes(t *testing.T) {
	s := fresh(t)
	payloads := map[string][]byte{
		"application/octet-stream": {0, 1, 255},
		"application/json":         []byte("{\"broken\":\"\xff\"}"), // which encoding/json lets pass
		"text/plain":               {},
		"application/x-none":       nil,
	}
	for contentType, data := range payloads {
		for _, n := range []int{1, 2} {
			t.Run(fmt.Sprintf("%s, %d events", contentType, n), func(t *testing.T) {
				w := appends(order(fmt.Sprint(contentType, n)), driver.NoStream, n)
				w.Events[n-1].ContentType, w.Events[n-1].Data = contentType, data
				commit(t, t.Context(), s, w)
				require.Equal(t, data, readStream(t, t.Context(), s, w.Stream)[n-1].Data)
			})
		}
	}
	require.Equal(t, 4, get[int](t, s.DB(), `SELECT count(event_data) FROM tidemark.events`), "the JSON beside it")
}

func TestTagsThatAnArrayCannotHoldAreRefused(t *testing.T) {
	s := fresh(t)
	for _, tag := range []string{"a\x00b", "a\xff"} {
		w := appends(order("a"), driver.NoStream, 1)
		w.Events[0].Tags = []string{"fine", tag}
		_, err := s.Commit(t.Context(), []driver.Write{w})
		require.ErrorContains(t, err, "UTF-8 without NUL")
	}
}

// Pages of large events end where their bytes do, whatever the server's compression makes of them.
func TestPagesOfLargeEvents(t *testing.T) {
	s := fresh(t)
	for i := range 30 {
		size := 1 << (i % 16)
		data := strings.Repeat("x", size) // compresses well
		if i%3 == 0 {
			data = strings.Repeat("0123456789abcdef", 1+size/16)[:size]
		}
		text, err := json.Marshal(data)
		require.NoError(t, err)
		commit(t, t.Context(), s, driver.Write{Stream: order("a"), Expected: driver.ExpectedVersion(i), Events: []driver.Event{event(string(text))}})
	}
	for _, maxBytes := range []int{1, 100, 5_000, 70_000, 1 << 30} {
		for _, backward := range []bool{false, true} {
			from, to := int64(1), int64(0)
			for from <= 30 && to >= 0 {
				page, err := s.ReadStream(t.Context(), driver.StreamQuery{Stream: order("a"), From: from, To: to, Backward: backward, Limit: 20, MaxBytes: maxBytes})
				require.NoError(t, err)
				require.NotEmpty(t, page)
				requireCut(t, page, 20, maxBytes, page[len(page)-1].Version == map[bool]int64{false: 30, true: 1}[backward])
				if last := page[len(page)-1].Version; backward {
					if to = last - 1; to == 0 {
						break
					}
				} else {
					from = last + 1
				}
			}
		}
		after := int64(0)
		for n := 0; n < 30; {
			page, err := s.ReadAll(t.Context(), driver.AllQuery{After: after, Limit: 20, MaxBytes: maxBytes})
			require.NoError(t, err)
			n += len(page.Records)
			requireCut(t, page.Records, 20, maxBytes, n == 30)
			after = page.Next
		}
	}
}

// requireCut requires that a page ends with the record that fills it.
func requireCut(t *testing.T, page []driver.Record, limit, maxBytes int, last bool) {
	t.Helper()
	bytes := 0
	for i, r := range page {
		require.Less(t, bytes, maxBytes, "record %d comes after the end of the page", i)
		bytes += len(r.Data)
	}
	require.LessOrEqual(t, len(page), limit)
	require.True(t, last || len(page) == limit || bytes >= maxBytes, "%d records of %d bytes", len(page), bytes)
}

func TestAFilterThatLetsLittleThrough(t *testing.T) {
	s := fresh(t)
	for i := range 12 {
		w := appends(order("a"), driver.Any, 2000)
		if i == 11 {
			w.Events[1999].Type = "order.rare"
		}
		commit(t, t.Context(), s, w)
	}
	q := driver.AllQuery{Types: []string{"order.rare"}, Limit: 10, MaxBytes: 1 << 20}
	for range 2 { // the second time with a known mark
		page, err := s.ReadAll(t.Context(), q)
		require.NoError(t, err)
		require.Len(t, page.Records, 1)
		require.Equal(t, page.Head, page.Next)
	}
}
