package app

import (
	"context"
	"path/filepath"
	"time"

	"github.com/ringfence/ringfence/console"
	"github.com/ringfence/ringfence/internal/recording"
)

// consoleQA is what the console's pages of quality monitoring need; nil where this process lacks the queue or ClickHouse.
func (a *App) consoleQA() (*console.QA, error) {
	if a.desk == nil || a.conn == nil || a.sessions == nil || len(a.rubrics) == 0 {
		return nil, nil
	}
	store, err := a.recordings()
	if err != nil {
		return nil, err
	}
	dir := a.cfg.Recordings.CacheDir
	if dir == "" {
		dir = filepath.Join(a.cfg.DataDir, "waveforms")
	}
	waves, err := recording.NewWaveforms(dir)
	if err != nil {
		return nil, err
	}
	return &console.QA{Desk: a.desk, Rubrics: a.rubrics, Conn: a.conn, Recordings: store, Waveforms: waves, CalibrationTask: a.calibrationTask, Number: a.numberOf,
		VerifyDay: func(ctx context.Context, day string) (any, error) {
			at, err := time.ParseInLocation(time.DateOnly, day, a.zone)
			if err != nil {
				return nil, err
			}
			return a.verifyDay(ctx, at)
		}}, nil
}

// recordings is where the configuration says they are; nil = nowhere.
func (a *App) recordings() (recording.Store, error) {
	switch c := a.cfg.Recordings; {
	case a.opt.Recordings != nil:
		return a.opt.Recordings, nil
	case c.S3.Endpoint != "":
		return recording.NewS3(recording.S3Options{Endpoint: c.S3.Endpoint, Bucket: c.S3.Bucket, Prefix: c.S3.Prefix, Region: c.S3.Region, AccessKey: c.S3.AccessKey, SecretKey: c.S3.SecretKey, Insecure: c.S3.Insecure})
	case c.Dir != "":
		d, err := recording.OpenDir(c.Dir)
		if err != nil {
			return nil, err
		}
		a.onClose(d.Close)
		return d, nil
	}
	return nil, nil
}
