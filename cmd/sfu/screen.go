package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/sys/unix"
)

// Control sequences of terminals (ECMA-48).
const (
	clearScreen = "\x1b[H\x1b[2J" // the cursor goes to the top left
	goHome      = "\x1b[H"
	clearLine   = "\x1b[K" // what is right of the cursor
	clearBelow  = "\x1b[J"
)

// screen shows one answer after the other: in the same place on a terminal, one below the other elsewhere.
type screen struct {
	out, errOut io.Writer
	place       bool                    // it is a terminal, and the answers are for people
	titled      bool                    // each answer has the time above it
	size        func() (cols, rows int) // of the terminal; 0: not known
	drawn       bool
	last        string // answer
	said        string // trouble
}

// newScreen returns a screen for answers that are for people, or for programs.
func newScreen(out, errOut io.Writer, people bool) *screen {
	return &screen{out: out, errOut: errOut, place: people && terminal(out), titled: people, size: func() (int, int) { return sizeOf(out) }}
}

// sizeOf returns how many columns and rows a terminal has.
func sizeOf(out io.Writer) (cols, rows int) {
	f, ok := out.(*os.File)
	if !ok {
		return 0, 0
	}
	w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0
	}
	return int(w.Col), int(w.Row)
}

// show shows an answer. lacks is what it does not have, for people.
func (s *screen) show(title string, at time.Time, answer, lacks string) {
	s.last, s.said = answer, ""
	switch {
	case s.place:
		s.draw(title, at, "", answer+lacks)
		return
	case s.titled:
		answer = at.Format(time.DateTime) + "\n" + answer + "\n"
	}
	fmt.Fprint(s.out, answer)
	if lacks != "" {
		fmt.Fprint(s.errOut, lacks)
	}
}

// trouble says why there is no answer, beside the last one. It says the same once only where it would stand
// below itself.
func (s *screen) trouble(title string, at time.Time, err error) {
	why, _, _ := strings.Cut(err.Error(), "\n")
	if s.place {
		s.draw(title, at, "No answer, trying again: "+why, s.last)
		return
	}
	if why != s.said {
		s.said = why
		fmt.Fprintf(s.errOut, "no answer, trying again: %s\n", why)
	}
}

// draw puts lines in the place of those before. What the terminal has no room for is left out.
func (s *screen) draw(title string, at time.Time, trouble, body string) {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	cols, rows := s.size()
	if most := rows - 3; most > 0 && len(lines) > most {
		lines = append(lines[:most-1:most-1], fmt.Sprintf("… %d lines more", len(lines)-most+1))
	}
	var b strings.Builder
	if b.WriteString(goHome); !s.drawn {
		b.WriteString(clearScreen)
	}
	s.drawn = true
	for _, line := range append([]string{title + "   " + at.Format(time.TimeOnly), trouble}, lines...) {
		if cols > 0 {
			line = text.Trim(line, cols)
		}
		b.WriteString(line + clearLine + "\n")
	}
	b.WriteString(clearBelow)
	fmt.Fprint(s.out, b.String())
}
