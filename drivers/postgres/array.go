package postgres

import "strconv"

// array builds a PostgreSQL array in text form, which every driver sends as it is. The zero value is an empty array.
type array []byte

// text adds an element of any text, which the server reads as the array's element type.
func (a *array) text(s string) {
	b := append(a.next(), '"')
	start := 0
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(append(b, s[start:i]...), '\\')
			start = i
		}
	}
	*a = append(append(b, s[start:]...), '"')
}

// plain adds an element that needs no quotes, such as a UUID.
func (a *array) plain(s string) { *a = append(a.next(), s...) }

func (a *array) integer(n int64) { *a = strconv.AppendInt(a.next(), n, 10) }

func (a *array) null() { a.plain("NULL") }

// textOrNull adds NULL for nil.
func (a *array) textOrNull(s *string) {
	if s == nil {
		a.null()
		return
	}
	a.text(*s)
}

func (a *array) next() []byte {
	if len(*a) == 0 {
		return append(*a, '{')
	}
	return append(*a, ',')
}

// String returns the array. Nothing may be added afterwards.
func (a *array) String() string {
	if len(*a) == 0 {
		return "{}"
	}
	return string(append(*a, '}'))
}

func integers(list []int32) string {
	var a array
	for _, n := range list {
		a.integer(int64(n))
	}
	return a.String()
}

func texts(list []string) string {
	var a array
	for _, s := range list {
		a.text(s)
	}
	return a.String()
}
