package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
)

// pgbench is Postgres' own program: C, prepared statements, one connection a client, and no work between two inserts.
type pgbench struct {
	db                *sqlx.DB
	bin, dir, dsn     string
	payload, metadata string
	turns, stored     int
}

const (
	namePgbench  = "pgbench, one INSERT"
	pgbenchTable = "limit_pgbench"
)

// pgbenchScript inserts one row like Tidemark's. Ids grow per client, as those of a UUIDv7 do, and a stream gets ten
// events.
const pgbenchScript = `\set v :v + 1
\set n 100000000000 + :client_id * 1000000000 + :v
\set s :v / 10
INSERT INTO {table} (id, stream_id, stream_type, event_type, schema_version, content_type, event_data, metadata, version,
	created_at, append_size)
VALUES (('{turn}-0000-7000-8000-' || :n::text)::uuid, '{turn}-' || :client_id::text || '-' || :s::text, 'order',
	'order.line_added', 1, 'application/json', :payload::json, :metadata::json, :v, now(), 1)
RETURNING version, global_position;
`

// newPgbench returns nil where the program is missing.
func newPgbench(ctx context.Context, b *bench, t *tidemark) (*pgbench, error) {
	bin := b.cluster.Bin("pgbench")
	if _, err := exec.LookPath(bin); err != nil {
		b.note("pgbench is not installed, so the limit that it shows is missing")
		return nil, nil
	}
	e := newEvent(1)
	payload, err1 := json.Marshal(e.payload)
	metadata, err2 := json.Marshal(e.metadata)
	p := &pgbench{db: t.raw, bin: bin, dir: b.dir, dsn: t.place, payload: string(payload), metadata: string(metadata)}
	return p, errors.Join(err1, err2, makeTable(ctx, t.raw, pgbenchTable))
}

func (p *pgbench) entrant(l load) entrant {
	return entrant{name: namePgbench, kind: limit, turn: func(ctx context.Context) (sample, error) { return p.turn(ctx, l) }}
}

var (
	processed = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	tps       = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without`)
	latency   = regexp.MustCompile(`latency average = ([0-9.]+) ms`)
)

func (p *pgbench) turn(ctx context.Context, l load) (sample, error) {
	p.turns++
	script := filepath.Join(p.dir, "insert.sql")
	text := strings.NewReplacer("{table}", pgbenchTable, "{turn}", fmt.Sprintf("%08d", p.turns)).Replace(pgbenchScript)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		return sample{}, err
	}
	clients := strconv.Itoa(l.workers)
	out, err := exec.CommandContext(ctx, p.bin, "-n", "-M", "prepared", "-c", clients, "-j", strconv.Itoa(min(l.workers, 2)),
		"-T", strconv.Itoa(max(1, int(l.turn.Seconds()))), "-D", "v=0", "-D", "payload="+p.payload,
		"-D", "metadata="+p.metadata, "-f", script, p.dsn).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("pgbench: %w: %s", err, out)
	}
	return p.read(ctx, string(out))
}

func (p *pgbench) read(ctx context.Context, out string) (sample, error) {
	n, err1 := strconv.Atoi(match(processed, out))
	rate, err2 := strconv.ParseFloat(match(tps, out), 64)
	average, err3 := strconv.ParseFloat(match(latency, out), 64)
	if err := errors.Join(err1, err2, err3); err != nil {
		return sample{}, fmt.Errorf("pgbench printed what is not understood: %w: %s", err, out)
	}
	p.stored += n
	return sample{value: rate, p50: time.Duration(average * float64(time.Millisecond))}, verify(ctx, p, p.stored)
}

func (p *pgbench) count(ctx context.Context) (int, error) { return countRows(ctx, p.db, pgbenchTable) }

func match(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}
