package embedded

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"unsafe"

	"github.com/ebitengine/purego"
)

// childMark tells a copy of this binary that it is to be ClickHouse. Its arguments follow, one a line.
const childMark = "RINGFENCE_CLICKHOUSE_CHILD"

// MaybeRunChild turns this process into ClickHouse if it was started for that, and then never returns. Every main and
// TestMain that uses StartClickHouse calls it first.
func MaybeRunChild() {
	spec, ok := os.LookupEnv(childMark)
	if !ok {
		return
	}
	_ = os.Unsetenv(childMark)
	signal.Ignore(os.Interrupt, syscall.SIGTERM) // the parent decides
	go func() {
		// The parent holds the other end: when it ends, however it ends, so do we.
		_, _ = io.Copy(io.Discard, os.Stdin)
		// Not os.Exit: under the race detector that runs the library's destructors beside its threads, which may wait for
		// each other for minutes.
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}()
	lines := strings.Split(spec, "\n")
	if err := runEngine(lines[0], lines[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runEngine(lib string, args []string) error {
	runtime.LockOSThread()
	h, err := purego.Dlopen(lib, purego.RTLD_NOW|purego.RTLD_GLOBAL)
	if err != nil {
		return fmt.Errorf("load %s: %w", lib, err)
	}
	var query func(argc int32, argv unsafe.Pointer) unsafe.Pointer
	purego.RegisterLibFunc(&query, h, "chdb_query_cmdline")
	var failure func(result unsafe.Pointer) string
	purego.RegisterLibFunc(&failure, h, "chdb_result_error")
	argv := make([]*byte, 0, len(args)+1)
	for _, a := range args {
		b := append([]byte(a), 0)
		argv = append(argv, &b[0])
	}
	argv = append(argv, nil)
	res := query(int32(len(args)), unsafe.Pointer(&argv[0]))
	runtime.KeepAlive(argv)
	if res != nil {
		if msg := failure(res); msg != "" {
			return fmt.Errorf("ClickHouse: %s", msg)
		}
	}
	return nil
}
