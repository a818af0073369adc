package postgres

import (
	"fmt"
	"strings"
)

// A batch of a few single events, each of a stream of its own, is what a few busy writers make, and most of what
// appendBatch costs is to set it up. Such a batch has a statement for its size, with a row of parameters for each event
// and the steps of appendOne.

// maxSmall is the largest batch that is stored so. Beyond it appendBatch is as fast.
const maxSmall = 8

const (
	appendSmall = `WITH locked AS MATERIALIZED (
	SELECT {lock} AS nothing
)
INSERT INTO {schema}.events ` + columns + `
SELECT checked.id, checked.stream_id, checked.stream_type, checked.event_type, checked.schema_version, checked.content_type,
	checked.event_data, checked.event_bytes, checked.metadata, checked.tags, checked.version + 1, nextval({sequence}),
	checked.created_at, 1
FROM (
	SELECT w.*, coalesce((
		SELECT e.version FROM {schema}.events e
		WHERE e.stream_type = w.stream_type AND e.stream_id = w.stream_id || locked.nothing
		ORDER BY e.version DESC LIMIT 1
	), 0) AS version
	FROM locked, (VALUES {rows}) AS w (stream_type, stream_id, low, high, guard, id, event_type, schema_version, content_type, event_data,
		event_bytes, metadata, tags, created_at)
	OFFSET 0
) checked
WHERE checked.version BETWEEN checked.low AND checked.high
RETURNING id, version, global_position`

	smallParameters = 14
	smallGuard      = 4 // the place of the stream's lock among them
)

// smallRow casts the parameters of appendOne.
var smallRow = [smallParameters]string{"$%d::text", "$%d::text", "$%d::bigint", "$%d::bigint", "$%d::integer", "$%d::uuid",
	"$%d::text", "$%d::integer", "$%d::text", "$%d::json", "decode($%d::text, 'hex')", "$%d::json", "$%d::text[]",
	"$%d::timestamptz"}

// smallStatement returns appendSmall for n events.
func smallStatement(n int) string {
	var rows, guards []string
	for i := range n {
		first := i * smallParameters
		var row []string
		for j, parameter := range smallRow {
			row = append(row, fmt.Sprintf(parameter, first+j+1))
		}
		rows = append(rows, "("+strings.Join(row, ", ")+")")
		guard := strings.ReplaceAll(guardOne, "$5", fmt.Sprintf("$%d", first+smallGuard+1))
		if i > 0 { // the first one's bound holds for all
			guard = bounded(guard, "")
		}
		guards = append(guards, guard)
	}
	return locked(strings.ReplaceAll(appendSmall, "{rows}", strings.Join(rows, ", ")), takeLock, strings.Join(guards, " || "))
}

// isSmall reports whether appendSmall can store a batch.
func (b *batch) isSmall() bool {
	if len(b.writes) > maxSmall {
		return false
	}
	for i := range b.writes {
		if len(b.writes[i].Events) > 1 || i > 0 && b.writes[i].Stream == b.writes[i-1].Stream {
			return false
		}
	}
	return true
}

// smallArgs returns the parameters of appendSmall. The streams' locks are taken in the order of the rows, in which each of
// them stands for any one of the batch, so that they are taken in one order by everybody.
func (b *batch) smallArgs() []any {
	guards := guardsFor(b.writes, false).shared
	args := make([]any, 0, len(b.writes)*smallParameters)
	for i := range b.writes {
		args = append(args, appendOneArgs(&b.writes[i], guards[min(i, len(guards)-1)])...)
	}
	return args
}
