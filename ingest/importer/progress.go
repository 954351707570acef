package importer

import (
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar returns an Options.Progress that draws on standard error, nil when that is no terminal.
func Bar(format string) func(done, of int64) {
	if !term.IsTerminal(int(os.Stderr.Fd())) {
		return nil
	}
	var bar *progressbar.ProgressBar
	return func(done, of int64) {
		if bar == nil {
			bar = progressbar.NewOptions64(max(of, 1), progressbar.OptionSetWriter(os.Stderr), progressbar.OptionShowBytes(true),
				progressbar.OptionSetDescription(format), progressbar.OptionClearOnFinish())
		}
		_ = bar.Set64(min(done, max(of, 1)))
	}
}
