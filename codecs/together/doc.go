// Package together holds what all codecs are needed for: the test that their payloads live in one stream, and the
// benchmarks that compare them. It is a module of its own because nothing else depends on all of them.
package together
