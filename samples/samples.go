package samples

import "embed"

// Asterisk22 is the captured run: asterisk-22-run/Master.csv, queue_log, plan.csv and the rest.
//
//go:embed asterisk-22-run
var Asterisk22 embed.FS
