package adminhttp

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"parlor/session/terms"
)

// open asks for no token.
type open struct{}

func (open) Open() bool                        { return true }
func (open) Parse(string) (terms.Grant, error) { panic("there are no keys") }

// TestCommandsAreBounded: if all slots are taken, a command is refused at once.
func TestCommandsAreBounded(t *testing.T) {
	h := &handler{
		keys: open{}, log: zerolog.Nop(), foreign: http.NewCrossOriginProtection(),
		slots: make(chan struct{}),
	}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path+"ListRooms", strings.NewReader("{}"))
	q.SetPathValue("action", "ListRooms")
	q.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.command(w, q)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.NotEmpty(t, w.Header().Get("Retry-After"))
	require.Contains(t, w.Body.String(), "too many commands at once")
}

// TestNobodyIsReadUnasked: a caller that shows no token is refused before the body is read.
func TestNobodyIsReadUnasked(t *testing.T) {
	h := &handler{
		keys: closed{}, log: zerolog.Nop(), foreign: http.NewCrossOriginProtection(),
		slots: make(chan struct{}),
	}
	q := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Path+"ListRooms", unread{t})
	q.SetPathValue("action", "ListRooms")
	q.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	h.command(w, q)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

// closed accepts no token.
type closed struct{}

func (closed) Open() bool { return false }
func (closed) Parse(string) (terms.Grant, error) {
	return terms.Grant{}, terms.Errorf(terms.CodeTokenInvalid, "token", "no")
}

// unread is a body that nobody may read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, http.ErrBodyReadAfterClose
}
