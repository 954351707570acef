package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaOptions say where the broker keeps its log.
type KafkaOptions struct {
	Dir  string // "" keeps it in memory
	Sync bool   // fsync each write
	Port int    // 0 = the one of the last start, else a free one
	// Logger is told what a start after a crash had to mend; optional.
	Logger *slog.Logger
}

// Kafka is a running embedded broker.
type Kafka struct {
	cluster *kfake.Cluster
	intents *intents // nil in memory
}

// StartKafka starts the broker on a loopback port with what the directory holds.
func StartKafka(o KafkaOptions) (*Kafka, error) {
	opts := []kfake.Opt{kfake.NumBrokers(1), kfake.GroupMinSessionTimeout(500 * time.Millisecond), kfake.ClusterID("ringfence"),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "33554432"})}
	port := o.Port
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, explain("make", o.Dir, err)
		}
		opts = append(opts, kfake.DataDir(o.Dir+"/log"))
		if port == 0 {
			p, err := ports(o.Dir, 1)
			if err != nil {
				return nil, fmt.Errorf("find a port for the embedded Kafka: %w", err)
			}
			port = p[0]
		}
	}
	if port != 0 {
		opts = append(opts, kfake.Ports(port))
	}
	if o.Sync {
		opts = append(opts, kfake.SyncWrites())
	}
	file := o.Dir + "/commit.intent"
	if o.Dir != "" {
		in, clean, err := readIntent(file)
		if err != nil {
			return nil, err
		}
		if !clean {
			did, err := mend(o.Dir+"/log", in)
			if err != nil {
				return nil, err
			}
			if o.Logger != nil && len(did) > 0 {
				o.Logger.Info("the embedded Kafka was not stopped cleanly: its log is mended", "did", did)
			}
		}
	}
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, explain("start the embedded Kafka in", o.Dir, err)
	}
	k := &Kafka{cluster: c}
	if o.Dir != "" {
		if k.intents, err = watchCommits(c, file, o.Sync); err != nil {
			c.Close()
			return nil, err
		}
	}
	return k, nil
}

// Addrs are the broker's addresses.
func (k *Kafka) Addrs() []string { return k.cluster.ListenAddrs() }

// Close stops the broker.
func (k *Kafka) Close() {
	k.cluster.Close()
	if k.intents != nil {
		_ = k.intents.done() // otherwise the next start looks for what to mend and finds nothing
	}
}
