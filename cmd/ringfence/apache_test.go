package main

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/internal/embedded"
)

// apache is a cluster of real Apache Kafka brokers, each broker and controller at once (KRaft).
type apache struct {
	t       *testing.T
	libs    string
	dir     string
	addrs   []string // of the brokers
	voters  string
	control []string
	brokers []*broker
}

// broker is one process of it.
type broker struct {
	*exec.Cmd
	done chan struct{} // closed when it has ended
}

const apacheProperties = `process.roles=broker,controller
node.id=%d
controller.quorum.voters=%s
listeners=PLAINTEXT://%s,CONTROLLER://%s
advertised.listeners=PLAINTEXT://%s
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=%s
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
transaction.state.log.num.partitions=5
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
add.partitions.to.txn.retry.backoff.ms=1
broker.session.timeout.ms=9000
initial.broker.registration.timeout.ms=600000
controller.quorum.election.timeout.ms=5000
controller.quorum.fetch.timeout.ms=10000
controller.quorum.request.timeout.ms=10000
log.cleaner.dedupe.buffer.size=16777216
num.network.threads=2
num.io.threads=4
num.recovery.threads.per.data.dir=1
message.max.bytes=33554432
replica.fetch.max.bytes=33554432
`

// startApache starts three brokers. It needs the jars of `make test-kafka`.
func startApache(t *testing.T) *apache {
	t.Helper()
	a := &apache{t: t, libs: os.Getenv("RINGFENCE_KAFKA_LIBS"), dir: t.TempDir()}
	if a.libs == "" {
		t.Skip("needs Apache Kafka: make test-kafka")
	}
	var voters []string
	for i := range 3 {
		a.addrs, a.control = append(a.addrs, lastingAddr(t)), append(a.control, lastingAddr(t))
		voters = append(voters, fmt.Sprintf("%d@%s", i+1, a.control[i]))
	}
	a.voters = strings.Join(voters, ",")
	a.brokers = make([]*broker, 3)
	for i := range 3 {
		file := a.file(i)
		text := fmt.Sprintf(apacheProperties, i+1, a.voters, a.addrs[i], a.control[i], a.addrs[i], filepath.Join(a.dir, fmt.Sprint("data", i)))
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("java", "-XX:TieredStopAtLevel=1", "-cp", a.libs+"/*", "kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", file).CombinedOutput()
		if err != nil {
			t.Fatalf("format the storage: %v\n%s", err, out)
		}
	}
	for i := range 3 {
		a.start(i)
	}
	t.Cleanup(func() {
		for i := range 3 {
			a.kill(i)
		}
	})
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; <-tick.C { // three JVMs on a busy machine take their time
		n, err := a.seen()
		if n == 3 {
			t.Logf("three brokers are up after %v", time.Since(began).Round(100*time.Millisecond))
			return a
		}
		for i, b := range a.brokers {
			select {
			case <-b.done:
				t.Fatalf("broker %d ended:\n%s", i+1, a.log(i))
			default:
			}
		}
		if time.Since(began) > 10*time.Minute {
			t.Fatalf("the cluster is not up: %v\n%s\n%s\n%s", err, a.log(0), a.log(1), a.log(2))
		}
	}
}

// seen is how many brokers the cluster has. It asks with a client of its own: an answer is kept for minutes, and the
// first one may name those alone that came up first.
func (a *apache) seen() (int, error) {
	cl, err := kgo.NewClient(kgo.SeedBrokers(a.addrs...))
	if err != nil {
		return 0, err
	}
	defer cl.Close()
	ctx, cancel := context.WithTimeout(a.t.Context(), 5*time.Second)
	defer cancel()
	d, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	return len(d.Brokers), err
}

// lastingAddr is a free address outside the range from which connections get their own ports: nothing takes it before
// its broker is there.
func lastingAddr(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err != nil {
			continue
		}
		_ = l.Close()
		return l.Addr().String()
	}
	t.Fatal("no port between 20000 and 30000 is free")
	return ""
}

func (a *apache) file(i int) string {
	return filepath.Join(a.dir, fmt.Sprintf("server%d.properties", i))
}

func (a *apache) log(i int) string {
	b, _ := os.ReadFile(a.file(i) + ".log")
	return tail(string(b))
}

func (a *apache) start(i int) {
	a.t.Helper()
	out, err := os.OpenFile(a.file(i)+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = out.Close() }()
	b := &broker{exec.Command("java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", a.libs+"/*", "kafka.Kafka", a.file(i)), make(chan struct{})}
	b.Stdout, b.Stderr = out, out
	if err := b.Start(); err != nil {
		a.t.Fatal(err)
	}
	a.brokers[i] = b
	go func() { defer close(b.done); _ = b.Wait() }()
}

func (a *apache) kill(i int) {
	_ = a.brokers[i].Process.Kill()
	<-a.brokers[i].done
}

// TestApacheKafka: two processes share the work on a cluster of three Apache Kafka brokers and one ClickHouse; one of
// the processes is killed and one of the brokers, while clients ask through both. The same must hold as on one machine.
func TestApacheKafka(t *testing.T) {
	a := startApache(t)
	dir := t.TempDir()
	e, err := embedded.StartClickHouse(t.Context(), embedded.ClickHouseOptions{Dir: filepath.Join(dir, "clickhouse")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	policy := chaosPolicyFile(t, dir)
	config := func(addr string) []string {
		return []string{"--set", "policy=" + policy, "--set", "http.listen=" + addr, "--set", "kafka.brokers=[" + strings.Join(a.addrs, ",") + "]", "--set", "clickhouse.addr=[" + e.Addr() + "]", "--set", "clickhouse.http_addr=" + e.HTTPAddr(),
			"--set", "ingest.number_key_file=" + filepath.Join(dir, "number.key"), "--set", "sampling.key_file=" + filepath.Join(dir, "sampling.key"), "--set", "kafka.partitions=6"}
	}
	dirs := []string{filepath.Join(dir, "a"), filepath.Join(dir, "b")}
	processes, urls := make([]*process, 2), make([]string, 2)
	var args [2][]string
	for i := range 2 {
		args[i] = config(freeAddr(t))
		processes[i], urls[i] = up(t, dirs[i], args[i]...)
	}
	c := newChaos()
	ctx, cancel := context.WithTimeout(t.Context(), max(*chaosFor, 40*time.Second))
	defer cancel()
	wait := c.clients(ctx, t, urls...)
	kills := nowAndThen(ctx, 4*time.Second, 9*time.Second, func(i int) {
		if i%2 == 1 { // a broker, for as long as it takes to come back
			n := i / 2 % 3
			t.Logf("kill broker %d", n+1)
			a.kill(n)
			a.start(n)
			waitForPort(t, a.addrs[n])
			return
		}
		n := i / 2 % 2
		t.Logf("kill process %d", n+1)
		if err := processes[n].Process.Kill(); err != nil {
			t.Error(err)
			return
		}
		<-processes[n].done
		began := time.Now()
		if err := decides(ctx, urls[1-n]); err != nil {
			t.Logf("the other process: %v", err)
		} else {
			t.Logf("the other process decides everything again after %v", time.Since(began).Round(10*time.Millisecond))
		}
		processes[n], _ = up(t, dirs[n], args[n]...)
	})
	wait()
	c.verify(t, urls[0], kills)
}

// decides waits until every one of many customers gets an answer.
func decides(ctx context.Context, url string) error {
	for i := range 40 {
		for {
			body := fmt.Sprintf(`{"request_id":"d%d-%d","customer_id":"D%d","purpose":"sales"}`, time.Now().UnixNano(), i, i)
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/permits", bytes.NewReader([]byte(body)))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", "application/json")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				break
			}
		}
	}
	return nil
}

func waitForPort(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; {
		c, err := net.DialTimeout("tcp", addr, time.Second)
		if err == nil {
			_ = c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not answer: %v", addr, err)
		}
	}
}
