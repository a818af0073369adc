package privacy

import "strings"

// A path is what tells the places of a payload apart. Each step begins with a byte that no JSON text has in it.
const (
	pathMember  = "\x00."
	pathElement = "\x00["
)

// pathText is a path as it stands in errors.
func pathText(path string) string {
	if path == "" {
		return "the payload"
	}
	steps := strings.Split(path[1:], "\x00")
	for i, step := range steps {
		if strings.HasPrefix(step, "[") {
			steps[i] = step + "]"
		}
	}
	return strings.TrimPrefix(strings.Join(steps, ""), ".")
}
