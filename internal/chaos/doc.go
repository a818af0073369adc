// Package chaos kills and freezes the processes that run projections together, at random, while events are appended, and
// compares what they have made of them with a replay. It has tests only.
package chaos
