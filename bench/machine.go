package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/mattn/go-sqlite3"
)

// command is how this run was started, without what is of this machine only.
func (b *bench) command() string {
	if slowed() != "" { // which `go run` alone does to no disk
		return "make bench-slow-disk"
	}
	args := []string{"cd bench && go run ."}
	for i := 0; i < len(b.args); i++ {
		a := b.args[i]
		if name := strings.TrimLeft(a, "-"); name == "orders" && i+1 < len(b.args) {
			i++
			a += " " + filepath.Base(b.args[i])
		}
		args = append(args, a)
	}
	return strings.Join(args, " ")
}

// slowed returns by how many microseconds slowsync.c slows each sync to disk, empty if it does not.
func slowed() string { return os.Getenv("SLOWSYNC_US") }

// machine says what the numbers were measured on.
func (b *bench) machine() []string {
	sqlite, _, _ := sqlite3.Version()
	list := []string{
		fmt.Sprintf("Measured on %s, scale %q", time.Now().UTC().Format(time.DateOnly), b.scale.name),
		fmt.Sprintf("%d cores%s, %s/%s", runtime.NumCPU(), processor(), runtime.GOOS, runtime.GOARCH),
		runtime.Version(), "SQLite " + sqlite,
	}
	if b.admin != nil {
		var version string
		if err := b.admin.Get(&version, "SHOW server_version"); err == nil {
			list = append(list, "Postgres "+version)
		}
	}
	for _, path := range []string{"github.com/lib/pq", "github.com/mattn/go-sqlite3"} {
		list = append(list, path+" "+moduleVersion(path))
	}
	if us := slowed(); us != "" {
		list = append(list, "every sync to disk "+us+" µs slower (slowsync.c)")
	}
	return append(list, "Tidemark "+revision())
}

// processor names the CPU where Linux tells.
func processor() string {
	text, _ := os.ReadFile("/proc/cpuinfo") // where it is missing, nothing is said
	for line := range strings.Lines(string(text)) {
		if name, ok := strings.CutPrefix(line, "model name"); ok {
			return " (" + strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(name), ":")) + ")"
		}
	}
	return ""
}

func moduleVersion(path string) string {
	build, _ := debug.ReadBuildInfo()
	for _, m := range build.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "of an unknown version"
}

func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "of an unknown revision"
	}
	return strings.TrimSpace(string(out))
}
