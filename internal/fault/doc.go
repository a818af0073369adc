// Package fault stands between a client and a Postgres server and does what networks do: it delays, cuts, falls silent
// and loses an answer. It is for tests.
package fault
