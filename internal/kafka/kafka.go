package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/ringfence/ringfence/event"
	"github.com/ringfence/ringfence/internal/config"
)

// Options say how to reach the brokers.
func Options(c config.Kafka, brokers []string) ([]kgo.Opt, error) {
	opts := []kgo.Opt{kgo.SeedBrokers(brokers...), kgo.ClientID("ringfence")}
	if c.TLS.Enabled {
		t := &tls.Config{MinVersion: tls.VersionTLS12}
		if c.TLS.CAFile != "" {
			pem, err := os.ReadFile(c.TLS.CAFile)
			if err != nil {
				return nil, fmt.Errorf("kafka.tls.ca_file: %w", err)
			}
			t.RootCAs = x509.NewCertPool()
			if !t.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("kafka.tls.ca_file: %s holds no certificate", c.TLS.CAFile)
			}
		}
		if c.TLS.CertFile != "" {
			cert, err := tls.LoadX509KeyPair(c.TLS.CertFile, c.TLS.KeyFile)
			if err != nil {
				return nil, fmt.Errorf("kafka.tls.cert_file: %w", err)
			}
			t.Certificates = []tls.Certificate{cert}
		}
		opts = append(opts, kgo.DialTLSConfig(t))
	}
	switch c.SASL.Mechanism {
	case "plain":
		opts = append(opts, kgo.SASL(plain.Auth{User: c.SASL.Username, Pass: c.SASL.Password}.AsMechanism()))
	case "scram-sha-256":
		opts = append(opts, kgo.SASL(scram.Auth{User: c.SASL.Username, Pass: c.SASL.Password}.AsSha256Mechanism()))
	case "scram-sha-512":
		opts = append(opts, kgo.SASL(scram.Auth{User: c.SASL.Username, Pass: c.SASL.Password}.AsSha512Mechanism()))
	}
	return opts, nil
}

// EnsureTopics makes every topic that is not there. One with another number of partitions is refused: keys would no
// longer be where their history is.
func EnsureTopics(ctx context.Context, cl *kgo.Client, partitions, replication int) error {
	adm := kadm.NewClient(cl)
	forever, compact, day := "-1", "compact", "86400000"
	for _, t := range event.Topics() {
		cfg := map[string]*string{"retention.ms": &forever}
		if t.Compacted {
			cfg = map[string]*string{"cleanup.policy": &compact}
		}
		if t.Transient {
			cfg = map[string]*string{"retention.ms": &day}
		}
		_, err := adm.CreateTopic(ctx, int32(partitions), int16(replication), cfg, t.Name)
		if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("make topic %s: %w", t.Name, err)
		}
	}
	var names []string
	for _, t := range event.Topics() {
		names = append(names, t.Name)
	}
	details, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return fmt.Errorf("look at the topics: %w", err)
	}
	for _, d := range details.Sorted() {
		if d.Err == nil && len(d.Partitions) != partitions {
			return fmt.Errorf("topic %s has %d partitions and kafka.partitions is %d: the number is fixed once there is data; set kafka.partitions to %d, or copy into new topics",
				d.Topic, len(d.Partitions), partitions, len(d.Partitions))
		}
	}
	return nil
}
