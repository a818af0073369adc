package fault

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The kinds of messages that the proxy looks at, and the one without a kind that asks to cancel a statement.
const (
	query byte = 'Q' // from the client: a statement in text
	sync_ byte = 'S' // from the client: the end of a request
	ready byte = 'Z' // from the server: the end of an answer, with the state of the transaction
	idle  byte = 'I' // there is none

	cancelRequest = 80877102
)

// longest is above any message of a test.
const longest = 256 << 20

func typed(kind byte, body []byte) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{kind}, uint32(len(body)+4)), body...)
}

func untyped(body []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func readTyped(r io.Reader) (kind byte, body []byte, err error) {
	var head [1]byte
	if _, err = io.ReadFull(r, head[:]); err != nil {
		return 0, nil, err
	}
	body, err = readUntyped(r)
	return head[0], body, err
}

func readUntyped(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head[:])
	if length < 4 || length > longest {
		return nil, fmt.Errorf("a message of %d bytes", length)
	}
	body := make([]byte, length-4)
	_, err := io.ReadFull(r, body)
	return body, err
}
