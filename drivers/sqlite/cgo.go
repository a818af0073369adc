//go:build !cgo

package sqlite

// go-sqlite3 is C. Without cgo this package does not compile; this has the compiler say why before anything else.
type _ needs_CGO_ENABLED_1_and_a_C_compiler
