//go:build race

package torture_test

// The race detector takes 8,128 goroutines at most.
const raceDetector = true
