package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/jmoiron/sqlx"

	"github.com/tidemark-go/tidemark/eventstore"
)

// plainColumns are what anybody would read of an event.
const plainColumns = `global_position, stream_type, stream_id, version, id, event_type, schema_version, event_data, metadata,
	created_at`

// plainEvent is a row as it is scanned, by the standard library's means.
type plainEvent struct {
	position, version    int64
	streamType, streamID string
	id, eventType        string
	schema               int
	payload, metadata    []byte
	createdAt            any
}

// plainReader is the loop that one writes without a framework: one SELECT, scanned row by row.
type plainReader struct {
	decode bool
	// what was read
	events, quantity int
}

func (p *plainReader) read(ctx context.Context, st *sqlx.Stmt, args ...any) error {
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var e plainEvent
		if err := rows.Scan(&e.position, &e.streamType, &e.streamID, &e.version, &e.id, &e.eventType, &e.schema, &e.payload,
			&e.metadata, &e.createdAt); err != nil {
			return err
		}
		if err := p.take(&e); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (p *plainReader) take(e *plainEvent) error {
	p.events++
	if !p.decode {
		return nil
	}
	line, err := decode(e.payload, e.metadata)
	p.quantity += line.Quantity
	return err
}

func decode(payload, metadata []byte) (lineAdded, error) {
	var line lineAdded
	if err := json.Unmarshal(payload, &line); err != nil {
		return line, err
	}
	var md eventstore.Metadata
	err := json.Unmarshal(metadata, &md)
	return line, err
}

// quantityOf is the sum over the first n events, against which readers are checked.
func quantityOf(n int) int {
	sum := 0
	for i := range n {
		sum += newEvent(i).payload.(lineAdded).Quantity
	}
	return sum
}

func expect(what string, got, want int) error {
	if got != want {
		return fmt.Errorf("%s: got %d, want %d", what, got, want)
	}
	return nil
}
