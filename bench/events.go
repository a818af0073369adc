package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/tidemark-go/tidemark/eventstore"
	"github.com/tidemark-go/tidemark/serializer"
)

// lineAdded is the event that everybody writes: some 190 bytes of JSON, as events mostly are.
type lineAdded struct {
	LineID      string    `json:"line_id"`
	SKU         string    `json:"sku"`
	Description string    `json:"description"`
	Quantity    int       `json:"quantity"`
	Price       int64     `json:"price"`
	Currency    string    `json:"currency"`
	At          time.Time `json:"at"`
}

const (
	streamType = "order"
	eventType  = "order.line_added"
)

// event is what is to be stored, before anybody has encoded it.
type event struct {
	typ      string
	payload  any
	metadata eventstore.Metadata
}

var firstDay = time.Date(2026, 1, 1, 9, 0, 0, 0, time.UTC) // only read

// newEvent makes the nth event of a stream.
func newEvent(n int) event {
	return event{typ: eventType,
		payload: lineAdded{LineID: fmt.Sprintf("line-%08d", n), SKU: fmt.Sprintf("SKU-%04d", n%1000),
			Description: "CHILDREN'S CUTLERY SPACEBOY, SET OF FOUR", Quantity: n%12 + 1, Price: int64(n%5000 + 99),
			Currency: "GBP", At: firstDay.Add(time.Duration(n) * time.Second)},
		metadata: eventstore.Metadata{eventstore.KeyCorrelationID: fmt.Sprintf("request-%012d", n),
			eventstore.KeyCausationID: fmt.Sprintf("command-%012d", n), "user": fmt.Sprintf("user-%d", n%100)},
	}
}

func newEvents(from, n int) []event {
	list := make([]event, n)
	for i := range list {
		list[i] = newEvent(from + i)
	}
	return list
}

// encoded is an event as the ways and the limits store it. Tidemark encodes by itself.
type encoded struct {
	id                string
	payload, metadata string
}

func encode(e *event) (encoded, error) {
	payload, err := json.Marshal(e.payload)
	if err != nil {
		return encoded{}, err
	}
	metadata, err := json.Marshal(e.metadata)
	return encoded{id: uuid.Must(uuid.NewV7()).String(), payload: string(payload), metadata: string(metadata)}, err
}

func encodeAll(events []event) ([]encoded, error) {
	list := make([]encoded, len(events))
	for i := range events {
		var err error
		if list[i], err = encode(&events[i]); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func registry() *serializer.Registry {
	reg := serializer.NewRegistry(nil)
	serializer.Register[lineAdded](reg, eventType)
	serializer.Register[cartState](reg, "order.state")
	return reg
}

// toAppend is the same as Tidemark takes it.
func toAppend(events []event) []eventstore.NewEvent {
	list := make([]eventstore.NewEvent, len(events))
	for i, e := range events {
		list[i] = eventstore.NewEvent{Payload: e.payload, Metadata: e.metadata}
	}
	return list
}
