package stream

import (
	"context"
	"log/slog"

	"github.com/twmb/franz-go/pkg/kgo"
)

// clientLog passes on the Kafka client's log, one level lower: its everyday talk is our debug.
type clientLog struct{ l *slog.Logger }

func (c clientLog) Level() kgo.LogLevel {
	switch ctx := context.Background(); {
	case c.l.Enabled(ctx, slog.LevelDebug-4):
		return kgo.LogLevelDebug
	case c.l.Enabled(ctx, slog.LevelDebug):
		return kgo.LogLevelInfo
	case c.l.Enabled(ctx, slog.LevelWarn):
		return kgo.LogLevelWarn
	}
	return kgo.LogLevelNone
}

func (c clientLog) Log(level kgo.LogLevel, msg string, kv ...any) {
	to := map[kgo.LogLevel]slog.Level{
		kgo.LogLevelError: slog.LevelWarn, kgo.LogLevelWarn: slog.LevelWarn, kgo.LogLevelInfo: slog.LevelDebug,
	}
	l, ok := to[level]
	if !ok {
		l = slog.LevelDebug - 4
	}
	c.l.Log(context.Background(), l, "kafka client: "+msg, kv...)
}
