package embedded

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// ports gives n loopback ports, those of the last start where they are free, and remembers them.
func ports(dir string, n int) ([]int, error) {
	file := filepath.Join(dir, "ports.json")
	var last []int
	if b, err := os.ReadFile(file); err == nil {
		_ = json.Unmarshal(b, &last) // an unreadable note is no note
	}
	out := make([]int, 0, n)
	for i := range n {
		want := 0
		if i < len(last) {
			want = last[i]
		}
		l, err := free(want)
		if err != nil {
			return nil, err
		}
		defer func() { _ = l.Close() }() // when all are chosen: else two could be the same
		out = append(out, l.Addr().(*net.TCPAddr).Port)
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		return nil, explain("write", file, err)
	}
	return out, nil
}

// free listens on the wanted port if nobody has it, else on any other.
func free(want int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(want)))
	if err != nil && want != 0 {
		l, err = net.Listen("tcp", "127.0.0.1:0")
	}
	return l, err
}
