package pgtest

// What only tests may see.
var (
	Need   = need
	FindIn = find
)

// Dir returns the directory that goes with the cluster.
func (c *Cluster) Dir() string { return c.dir }
