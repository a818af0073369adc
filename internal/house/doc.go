// Package house holds the rules of this repository that no compiler checks. It has tests only.
package house
