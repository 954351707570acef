package kafka

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ringfence/ringfence/internal/config"
)

func TestTopicsAreMadeOnceAndKeepTheirPartitions(t *testing.T) {
	k, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	opts, err := Options(config.Kafka{}, k.ListenAddrs())
	if err != nil {
		t.Fatal(err)
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	for range 2 {
		if err := EnsureTopics(t.Context(), cl, 4, 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := EnsureTopics(t.Context(), cl, 8, 1); err == nil || !strings.Contains(err.Error(), "has 4 partitions and kafka.partitions is 8") {
		t.Errorf("another number of partitions: %v", err)
	}
}

func TestOptionsNameTheirMistake(t *testing.T) {
	_, err := Options(config.Kafka{TLS: config.TLS{Enabled: true, CAFile: "/does/not/exist"}}, nil)
	if err == nil || !strings.Contains(err.Error(), "kafka.tls.ca_file") {
		t.Error(err)
	}
}
