// Package crash kills processes that append and project, at random moments, and looks at what they left behind. It has
// tests only.
package crash
