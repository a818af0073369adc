// Package evolution lets three releases of a program write one history, and compares what each way of reading makes of it.
// It has tests only.
package evolution
