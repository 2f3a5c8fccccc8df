// Command generate writes what the packages for back ends know of commands and events: types, methods, names. It
// is made of the OpenAPI document that a node serves, and of the vocabulary of the feed. Tests hold the files
// against what it writes.
//
//	go run ./backend/generate      from the top of the repository
//
//	main.go     the files
//	model.go    what is read: commands, their objects, events
//	golang.go, node.go, python.go  what is written
package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/rs/zerolog"

	"parlor/control/adminhttp"
)

// Files that are made as a whole, and the one of which a part is.
const (
	goCommands = "backend/go/commands.go"
	goObjects  = "backend/go/objects.go"
	nodeFile   = "backend/node/commands.js"
	pythonFile = "backend/python/parlor.py"
)

func main() {
	files, err := generate(os.ReadFile)
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
	for path, text := range files {
		if err := os.WriteFile(path, text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}

// generate returns the files as they are to be. read reads the one of which only a part is made.
func generate(read func(path string) ([]byte, error)) (map[string][]byte, error) {
	document, err := serve()
	if err != nil {
		return nil, err
	}
	m, err := readModel(document)
	if err != nil {
		return nil, err
	}
	methods, err := m.goCommands()
	if err != nil {
		return nil, err
	}
	objects, err := m.goObjects()
	if err != nil {
		return nil, err
	}
	python, err := read(pythonFile)
	if err != nil {
		return nil, err
	}
	if python, err = splice(python, m.python()); err != nil {
		return nil, err
	}
	return map[string][]byte{goCommands: methods, goObjects: objects, nodeFile: m.node(), pythonFile: python}, nil
}

// serve returns the document as a node serves it.
func serve() ([]byte, error) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, adminhttp.Path+"openapi.json", nil)
	adminhttp.New(nil, nil, zerolog.Nop(), nil, nil).ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("the document is answered with %d", w.Code)
	}
	return w.Body.Bytes(), nil
}

// The lines between which a file is made.
const (
	begin = "# --- made by backend/generate: do not change it here\n"
	end   = "# --- made until here\n"
)

// splice puts a part into the place of the one that a file has.
func splice(file, part []byte) ([]byte, error) {
	before, rest, found := bytes.Cut(file, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return nil, fmt.Errorf("%s lacks the lines %q and %q", pythonFile, begin, end)
	}
	return bytes.Join([][]byte{before, []byte(begin), part, []byte(end), after}, nil), nil
}
