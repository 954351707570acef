package main

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The shell example of the permit API does what it says, against a running system.
func TestShellExample(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a process")
	}
	dir := t.TempDir()
	_, url := up(t, dir, "--set", "policy="+chaosPolicyFile(t, dir), "--set", "http.listen="+freeAddr(t))
	run := func(want int, env ...string) string {
		t.Helper()
		cmd := exec.Command("bash", "../../client/examples/permit.sh", "C000017", "sales")
		cmd.Env = append(append(os.Environ(), "RINGFENCE_URL="+url), env...)
		out, err := cmd.CombinedOutput()
		code := 0
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			code = failed.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != want {
			t.Fatalf("exit code %d, want %d\n%s", code, want, out)
		}
		return string(out)
	}
	if out := run(0, "RELEASE=1"); !strings.Contains(out, `"decision":"permit"`) || !strings.Contains(out, "given back: 204") {
		t.Error(out)
	}
	for range chaosCap {
		run(0)
	}
	if out := run(1); !strings.Contains(out, `"denied_by"`) {
		t.Error(out)
	}
}
