package drivertest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidemark-go/tidemark/eventstore/driver"
)

func readFlaws() []flaw {
	return slices.Concat(pageFlaws(), costFlaws(), staleFlaws(), filterFlaws(), nextFlaws())
}

func pageFlaws() []flaw {
	return []flaw{
		{name: "it turns a page around instead of reading backward", catches: []catch{
			{"R1/every combination on a short stream", ", backward: "},
		}, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				backward := q.Backward
				q.Backward = false
				page, err := b.toyHandle.ReadStream(ctx, q)
				if backward {
					slices.Reverse(page)
				}
				return page, err
			}
		}},
		{name: "it counts metadata among the bytes of a page", catches: []catch{
			{"R1/a page ends with the record that fills MaxBytes", "want 2 records, got 1"},
			{"TailReader/a page is cut as any other", "records, got"},
		}, spoil: func(b *broken) {
			cut := func(page []driver.Record, maxBytes int) []driver.Record {
				size := 0
				for i, r := range page {
					if size += len(r.Data) + len(r.Metadata); size >= maxBytes {
						return page[:i+1]
					}
				}
				return page
			}
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				page, err := b.toyHandle.ReadStream(ctx, q)
				return cut(page, q.MaxBytes), err
			}
			b.readTail = func(ctx context.Context, q driver.StreamQuery) (*driver.Snapshot, []driver.Record, error) {
				snap, page, err := b.toyHandle.ReadTail(ctx, q)
				return snap, cut(page, q.MaxBytes), err
			}
		}},
		{name: "it ignores MaxBytes", catches: []catch{{"R1/a page ends with the record that fills MaxBytes", "want 1 records, got 7"}},
			spoil: func(b *broken) {
				b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
					q.MaxBytes = 1 << 30
					return b.toyHandle.ReadStream(ctx, q)
				}
			}},
		{name: "its pages are shorter than the caller's", catches: []catch{{"R1/across page borders", "versions read with"}},
			spoil: func(b *broken) {
				b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
					q.Limit = min(q.Limit, 100)
					return b.toyHandle.ReadStream(ctx, q)
				}
			}},
		{name: "a missing stream is an error", catches: []catch{{"R2/a missing stream is an empty page", "no rows in result set"}},
			spoil: func(b *broken) {
				b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
					page, err := b.toyHandle.ReadStream(ctx, q)
					if len(page) == 0 && err == nil {
						err = errors.New("sql: no rows in result set")
					}
					return page, err
				}
			}},
	}
}

func costFlaws() []flaw {
	return []flaw{
		{name: "it reads all and cuts that", catches: []catch{
			{"R5/a small page of a long stream and log costs no more than itself", "a page of 10 events of a stream of 3 MB (backward: false) costs"},
		}, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				limit := q.Limit
				q.Limit = 1 << 30
				page, err := b.toyHandle.ReadStream(ctx, q)
				return page[:min(limit, len(page))], err
			}
		}},
		{name: "its pages are one short of the limit", catches: []catch{
			{"R5/a small page of a long stream and log costs no more than itself", "events read page by page from a stream of 4000: want 4000, got 999"},
		}, spoil: func(b *broken) {
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				q.Limit = max(1, q.Limit-1)
				return b.toyHandle.ReadStream(ctx, q)
			}
		}},
		{name: "it scans the log into memory", catches: []catch{
			{"R5/a small page of a long stream and log costs no more than itself", "a page of 10 events of a log of 3 MB costs"},
		}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				if _, err := b.toyHandle.ReadAll(ctx, driver.AllQuery{Limit: 1 << 30, MaxBytes: 1 << 30}); err != nil {
					return driver.Page{}, err
				}
				return b.toyHandle.ReadAll(ctx, q)
			}
		}},
	}
}

// remembered keeps the last page of each stream.
type remembered struct {
	mu    sync.Mutex
	pages map[string][]driver.Record
}

func (r *remembered) get(q driver.StreamQuery) ([]driver.Record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	page, ok := r.pages[fmt.Sprint(q)]
	return page, ok
}

func (r *remembered) put(q driver.StreamQuery, page []driver.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pages[fmt.Sprint(q)] = page
}

func staleFlaws() []flaw {
	return []flaw{
		{name: "it acknowledges before it commits", spoil: acknowledgesEarly, catches: []catch{
			{"R6/through the same handle", "events in the stream after append"},
			{"R6/through another handle", "events in the stream after append"},
			{"R6/many writers and readers at once", "returned, a read finds"},
		}},
		{name: "it takes the head of the last page for that of now", catches: []catch{
			{"R6/through the same handle", "the head is 1 after an append returned whose position is 2"},
			{"R6/through another handle", "the head is 1 after an append returned whose position is 2"},
		}, spoil: func(b *broken) {
			var known atomic.Int64
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if q.Limit > 0 {
					known.Store(page.Head)
				} else if head := known.Load(); head > 0 {
					page.Head = head
				}
				return page, err
			}
		}},
		{name: "it answers a query twice from what it read once", catches: []catch{
			{"R6/through the same handle", "events in the stream after append 2 returned"},
			{"R6/many writers and readers at once", "returned, a read finds"},
		}, spoil: func(b *broken) {
			cache := remembered{pages: make(map[string][]driver.Record)}
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				if page, ok := cache.get(q); ok && page != nil {
					cache.put(q, nil)
					return page, nil
				}
				page, err := b.toyHandle.ReadStream(ctx, q)
				cache.put(q, page)
				return page, err
			}
		}},
		{name: "it forgets what it read at its own commits only", catches: []catch{
			{"R6/through another handle", "events in the stream after append 2 returned"},
		}, spoil: func(b *broken) {
			cache := remembered{pages: make(map[string][]driver.Record)}
			b.commit = func(ctx context.Context, writes []driver.Write) ([]driver.Receipt, error) {
				cache = remembered{pages: make(map[string][]driver.Record)}
				return b.toyHandle.Commit(ctx, writes)
			}
			b.readStream = func(ctx context.Context, q driver.StreamQuery) ([]driver.Record, error) {
				if page, ok := cache.get(q); ok {
					return page, nil
				}
				page, err := b.toyHandle.ReadStream(ctx, q)
				cache.put(q, page)
				return page, err
			}
		}},
	}
}

func filterFlaws() []flaw {
	return []flaw{
		{name: "it advances only over what it hands out", catches: []catch{{"G5/every filter, limit and start", "it was not cut"}},
			spoil: func(b *broken) {
				b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
					page, err := b.toyHandle.ReadAll(ctx, q)
					page.Next = q.After
					for _, r := range page.Records {
						page.Next = r.Position
					}
					return page, err
				}
			}},
		{name: "it ignores stream types where there are types", catches: []catch{{"G5/every filter, limit and start", "want"}},
			spoil: func(b *broken) {
				b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
					if len(q.Types) > 0 {
						q.StreamTypes = nil
					}
					return b.toyHandle.ReadAll(ctx, q)
				}
			}},
		{name: "its filters take upper and lower case for the same", catches: []catch{
			{"G5/names are compared byte by byte", `types ["b"]`},
		}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				for _, typ := range slices.Clone(q.Types) {
					q.Types = append(q.Types, strings.ToUpper(typ))
				}
				return b.toyHandle.ReadAll(ctx, q)
			}
		}},
	}
}

func nextFlaws() []flaw {
	return []flaw{
		{name: "it takes the head that it knows for that of now, where a page ends at it", catches: []catch{
			{"G2/a page that ends where the head was before", "says that this is the head"},
		}, spoil: func(b *broken) {
			var known atomic.Int64
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if err == nil && page.Next == known.Load() {
					page.Head = page.Next
				}
				known.Store(page.Head)
				return page, err
			}
		}},
		{name: "it goes back to the head", catches: []catch{{"G5/after the head, and no record at all", "but Next is"}},
			spoil: func(b *broken) {
				b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
					page, err := b.toyHandle.ReadAll(ctx, q)
					page.Next = min(page.Next, page.Head)
					return page, err
				}
			}},
		{name: "it advances without handing anything out", catches: []catch{
			{"G5/after the head, and no record at all", "limit 0: want"},
		}, spoil: func(b *broken) {
			b.readAll = func(ctx context.Context, q driver.AllQuery) (driver.Page, error) {
				page, err := b.toyHandle.ReadAll(ctx, q)
				if q.Limit == 0 {
					page.Next = max(q.After, page.Head)
				}
				return page, err
			}
		}},
	}
}
