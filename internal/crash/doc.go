// Package crash kills processes that append and project, and the server under them, at random moments, and looks at
// what they left behind. It has tests only.
package crash
