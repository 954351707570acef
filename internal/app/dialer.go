package app

import (
	"time"

	"github.com/ringfence/ringfence/dialer/carrier/simulated"
	"github.com/ringfence/ringfence/dialer/live"
)

// startDialer runs the dialer role; it needs the API, so it comes after it.
func (a *App) startDialer() {
	if !a.cfg.Has("dialer") || a.cfg.Dialer.Carrier != "simulated" {
		return
	}
	api := a.Client()
	api.Retry = 2 * time.Second // calls on the line wait for nobody; what could not be reported is kept
	d := live.New(live.Options{Base: a.base, API: api, Carrier: simulated.New(uint64(time.Now().UnixNano()), 1), ID: a.cfg.Dialer.ID, Zone: a.zone, Logger: a.log,
		OpenNumber: func(sealed []byte) (string, error) {
			plain, err := a.key.Open(sealed)
			return string(plain), err
		}})
	a.work("dialer", d.Run)
	a.health.add("dialer", d.Status)
}
