package embedded

import (
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

// KafkaOptions say where the broker keeps its log.
type KafkaOptions struct {
	Dir  string // "" keeps it in memory
	Sync bool   // fsync each write
	Port int    // 0 = the one of the last start, else a free one
}

// Kafka is a running embedded broker.
type Kafka struct{ cluster *kfake.Cluster }

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
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, explain("start the embedded Kafka in", o.Dir, err)
	}
	return &Kafka{c}, nil
}

// Addrs are the broker's addresses.
func (k *Kafka) Addrs() []string { return k.cluster.ListenAddrs() }

// Close stops the broker.
func (k *Kafka) Close() { k.cluster.Close() }
