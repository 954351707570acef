package app

import (
	"time"

	"github.com/ringfence/ringfence/internal/config"
	"github.com/ringfence/ringfence/processors/complaint"
	"github.com/ringfence/ringfence/sinks/notify"
)

// complaintOptions are the settings of the watch.
func (a *App) complaintOptions() complaint.Options {
	o := watchOptions(a.cfg, a.zone)
	o.Metrics = complaint.NewMetrics(a.registry)
	return o
}

// startNotifier makes the part that tells people.
func (a *App) startNotifier() error {
	if !a.cfg.Has("alerts") || len(a.cfg.Alerts.Receivers) == 0 {
		return nil
	}
	n, err := notify.New(notify.Options{Base: a.base, Config: a.cfg.Alerts, Zone: a.zone, Logger: a.log, Registerer: a.registry})
	if err != nil {
		return err
	}
	a.work("alerts", n.Run)
	a.health.add("alerts", n.Status)
	return nil
}

// watchOptions turns the configuration into the settings of the watch; a replay over the past uses the same.
func watchOptions(cfg *config.Config, zone *time.Location) complaint.Options {
	c, al := cfg.Complaint, cfg.Alerts
	o := complaint.Options{Test: complaint.DefaultTest(), Rates: complaint.DefaultRateTest(), Inbound: complaint.DefaultInboundTest(), Action: c.OnSpike, Zone: zone,
		SLA: complaint.SLA{WarnMS: c.SLA.Warn.Milliseconds(), EscalateMS: c.SLA.Escalate.Milliseconds()},
		Stuck: map[string]time.Duration{"preparing": al.Stuck.Preparing.D(), "dialing": al.Stuck.Dialing.D(), "talking": al.Stuck.Talking.D(), "hold": al.Stuck.Hold.D(),
			"wrap_up": al.Stuck.WrapUp.D()}}
	o.Test.FalsePerYear, o.Test.Least, o.Test.Factor, o.Test.Variation = c.FalseAlarmsPerYear, int64(c.Least), c.Factor, c.Variation
	o.Test.DefaultRate, o.Test.BaselineMS, o.Test.Windows = c.DefaultRate, c.Baseline.Milliseconds(), nil
	for _, w := range c.Windows {
		o.Test.Windows = append(o.Test.Windows, w.Milliseconds())
	}
	o.Rates.FalsePerYear, o.Rates.Least, o.Rates.Change = al.Rates.FalseAlarmsPerYear, int64(al.Rates.Least), al.Rates.Change
	in := al.Inbound
	o.Inbound = complaint.InboundTest{WithinMS: in.Within.Milliseconds(), WindowMS: in.Window.Milliseconds(), Least: int64(in.Least), Begin: in.Begin, Stop: in.Stop, End: in.End, HoldMS: in.Hold.Milliseconds()}
	return o
}
