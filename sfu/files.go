package sfu

import (
	"syscall"

	"github.com/rs/zerolog"

	"parlor/config"
)

// files is how many of the files that the process may have open each kind of connection may take. The last
// eighth is for everything else: the sockets of media, NATS, the files of JetStream.
type files struct {
	strangers, inside, tcp int
}

// mostTCP is how many ICE-TCP connections there are at most, however many files may be open.
const mostTCP = 4096

// share divides the open files among the connections that have limits of their own.
func share(most uint64, l config.Limits) files {
	part := func(limit int, of uint64) int { return int(max(1, min(uint64(limit), most/of))) }
	return files{strangers: part(l.Strangers, 4), inside: part(l.Signals, 2), tcp: part(mostTCP, 8)}
}

// openFiles returns what the process may open. Go has raised the limit as far as the system lets it.
func openFiles(l config.Limits, log zerolog.Logger) files {
	var r syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &r); err != nil {
		log.Warn().Err(err).Msg("the limit of open files cannot be read; the configured limits hold")
		return share(1<<62, l)
	}
	f := share(r.Cur, l)
	if f.inside < l.Signals || f.strangers < l.Strangers {
		log.Info().Uint64("files", r.Cur).Int("signals", f.inside).Int("strangers", f.strangers).Int("tcp", f.tcp).
			Msg("fewer connections are taken than configured, since the process may not open more files (ulimit -n)")
	}
	return f
}
