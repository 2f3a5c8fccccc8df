package sfu

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"github.com/rs/zerolog"
)

// quietTime is for how long the directory of a watched file has to be quiet before the file is read. Editors and
// volumes change it in several steps. Lower reads halves of files more often, which are refused and read
// again.
const quietTime = 200 * time.Millisecond

// restless is after how long the file is read although its directory is not quiet, for example if somebody
// writes a log there. Lower reads it more often there.
const restless = 2 * time.Second

// watchFiles calls read whenever one of the files may have changed, until ctx is done. It watches their
// directories, since a file is mostly changed by putting another one, or another link, into its place. If
// they cannot be watched, only SIGHUP has them read again.
func watchFiles(ctx context.Context, log zerolog.Logger, what string, paths []string, read func()) error {
	w, err := fsnotify.NewWatcher()
	if err == nil {
		defer w.Close()
		for _, path := range paths {
			err = errors.Join(err, w.Add(filepath.Dir(path)))
		}
	}
	if err != nil {
		log.Warn().Err(err).Msg(what + " is not watched; a change of it needs SIGHUP")
		<-ctx.Done()
		return nil
	}
	quiet := time.NewTimer(quietTime) // it may have changed since it was read at the start
	defer quiet.Stop()
	first := time.Now() // of what has happened since the file was read; zero: nothing
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.Events:
		case err := <-w.Errors: // some events are lost
			log.Warn().Err(err).Msg("watching " + what)
		case <-quiet.C:
			read()
			first = time.Time{}
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		quiet.Reset(max(0, min(quietTime, restless-time.Since(first))))
	}
}
