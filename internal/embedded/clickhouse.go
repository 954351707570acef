package embedded

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ClickHouseOptions say where the engine keeps its data.
type ClickHouseOptions struct {
	Dir    string
	Config string // a ClickHouse configuration file, for clusters
	Logger *slog.Logger
}

// ClickHouse is a running embedded engine. If its process dies it is started again on the same ports.
type ClickHouse struct {
	opt    ClickHouseOptions
	ports  []int
	cancel context.CancelFunc
	done   chan struct{}

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.Closer
	tail  *tailBuffer
	state string
}

// StartClickHouse starts the engine and returns when it answers.
func StartClickHouse(ctx context.Context, o ClickHouseOptions) (*ClickHouse, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "data"), 0o700); err != nil {
		return nil, explain("make", o.Dir, err)
	}
	endStale(o)
	p, err := ports(o.Dir, 2)
	if err != nil {
		return nil, fmt.Errorf("find ports for the embedded ClickHouse: %w", err)
	}
	run, cancel := context.WithCancel(context.Background())
	c := &ClickHouse{opt: o, ports: p, cancel: cancel, done: make(chan struct{})}
	exited, err := c.spawn()
	if err != nil {
		cancel()
		return nil, err
	}
	if err := c.answers(ctx, exited); err != nil {
		cancel()
		c.end()
		<-exited
		return nil, err
	}
	go c.supervise(run, exited)
	return c, nil
}

// Addr is the native protocol's address, HTTPAddr the HTTP interface's.
func (c *ClickHouse) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports[0])) }
func (c *ClickHouse) HTTPAddr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports[1]))
}

// Status is "" while the engine runs, else what is the matter.
func (c *ClickHouse) Status() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Kill ends the engine's process with SIGKILL, for tests; it is started again.
func (c *ClickHouse) Kill() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd.Process.Kill()
}

// patience is how long an engine that was asked to end may take.
const patience = 20 * time.Second

// Close ends the engine: one that doesn't end in time is killed. What it has answered is on disk either way.
func (c *ClickHouse) Close() {
	c.cancel()
	c.end()
	late := time.AfterFunc(patience, func() { _ = c.Kill() })
	defer late.Stop()
	<-c.done
}

func (c *ClickHouse) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.stdin.Close()
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
}

func (c *ClickHouse) args() []string {
	a := []string{"clickhouse", "--path=" + filepath.Join(c.opt.Dir, "data"), "--listen_host=127.0.0.1",
		"--tcp_port=" + strconv.Itoa(c.ports[0]), "--http_port=" + strconv.Itoa(c.ports[1])}
	if c.opt.Config != "" {
		a = append(a, "--config-file="+c.opt.Config)
	}
	return append(a, "--multiquery", "--query",
		"SYSTEM START LISTEN HTTP; SYSTEM START LISTEN TCP; SELECT sleepEachRow(1) FROM numbers(4000000000) SETTINGS max_block_size=1, function_sleep_max_microseconds_per_block=0 FORMAT Null;")
}

// spawn starts the process: a clickhouse of the machine's own if it has one, else this binary with the library.
func (c *ClickHouse) spawn() (chan error, error) {
	var cmd *exec.Cmd
	if own, err := exec.LookPath("clickhouse"); err == nil {
		cmd = exec.Command(own, append([]string{"local"}, c.args()[1:]...)...)
	} else {
		lib, err := Library()
		if err != nil {
			return nil, err
		}
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find this binary: %w", err)
		}
		cmd = exec.Command(self)
		cmd.Env = append(os.Environ(), childMark+"="+strings.Join(append([]string{lib}, c.args()...), "\n"))
	}
	cmd.Dir = c.opt.Dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the parent, which drains first
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	tail := &tailBuffer{}
	cmd.Stdout, cmd.Stderr = tail, tail
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the embedded ClickHouse: %w", err)
	}
	c.mu.Lock()
	c.cmd, c.stdin, c.tail = cmd, in, tail
	c.mu.Unlock()
	_ = os.WriteFile(pidFile(c.opt), fmt.Appendf(nil, "%d", cmd.Process.Pid), 0o600)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	return exited, nil
}

// answers waits until a native-protocol ping comes back.
func (c *ClickHouse) answers(ctx context.Context, exited chan error) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-exited:
			exited <- err
			return c.died(err)
		case <-ctx.Done():
			return fmt.Errorf("the embedded ClickHouse does not answer on %s: %w", c.Addr(), ctx.Err())
		case <-tick.C:
			conn, err := clickhouse.Open(&clickhouse.Options{Addr: []string{c.Addr()}, DialTimeout: time.Second})
			if err != nil {
				return fmt.Errorf("open the embedded ClickHouse: %w", err)
			}
			err = conn.Ping(ctx)
			_ = conn.Close()
			if err == nil {
				return nil
			}
		}
	}
}

// died makes an error of the engine's last words.
func (c *ClickHouse) died(err error) error {
	words := c.tail.String()
	switch {
	case strings.Contains(words, "NOT_ENOUGH_SPACE") || strings.Contains(words, "No space left"):
		return fmt.Errorf("the embedded ClickHouse cannot write to %s: the disk is full: free some space and start again", c.opt.Dir)
	case strings.Contains(words, "Address already in use"):
		return fmt.Errorf("the embedded ClickHouse's port %d or %d was taken by another program: start again to get others", c.ports[0], c.ports[1])
	}
	return fmt.Errorf("the embedded ClickHouse ended (%v): %s", err, words)
}

// supervise starts the engine again when it dies, ever more patiently.
func (c *ClickHouse) supervise(ctx context.Context, exited chan error) {
	defer close(c.done)
	wait := 100 * time.Millisecond
	for {
		err := <-exited
		if ctx.Err() != nil {
			return
		}
		c.note("restarting: " + c.died(err).Error())
		c.opt.Logger.Warn("the embedded ClickHouse ended and is started again", "error", c.died(err))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = min(2*wait, 5*time.Second)
		next, err := c.spawn()
		if err != nil {
			c.note(err.Error())
			exited <- err
			continue
		}
		exited = next
		if err := c.answers(ctx, exited); err != nil {
			if ctx.Err() != nil {
				c.end()
				<-exited
				return
			}
			c.note(err.Error())
			continue
		}
		wait = 100 * time.Millisecond
		c.note("")
	}
}

func (c *ClickHouse) note(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.state = s
}

func pidFile(o ClickHouseOptions) string { return filepath.Join(o.Dir, "child.pid") }

// endStale ends an engine that outlived its parent; it is ours if it was started for this very directory.
func endStale(o ClickHouseOptions) {
	b, err := os.ReadFile(pidFile(o))
	if err != nil {
		return
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 1 {
		return
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil || !bytes.Contains(env, []byte("--path="+filepath.Join(o.Dir, "data"))) {
		return
	}
	o.Logger.Warn("ending a stale embedded ClickHouse", "pid", pid)
	if p, err := os.FindProcess(pid); err == nil && p.Kill() == nil {
		for range 100 {
			if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) || p.Signal(syscall.Signal(0)) != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// tailBuffer keeps the last words of a process.
type tailBuffer struct {
	mu sync.Mutex
	b  []byte
}

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if len(t.b) > 4096 {
		t.b = append(t.b[:0], t.b[len(t.b)-4096:]...)
	}
	return len(p), nil
}

func (t *tailBuffer) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(string(t.b))
}
