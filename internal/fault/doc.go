// Package fault does to a store what happens to one. A Proxy stands between a client and a Postgres server and does what
// networks do: it delays, cuts, falls silent and loses an answer. A Disk can be filled, and its power can be cut. It is for
// tests.
package fault
