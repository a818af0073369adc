//go:build !linux

package pgtest

// memory returns "", as it is only on Linux that every machine has a place in memory.
func memory() string { return "" }
