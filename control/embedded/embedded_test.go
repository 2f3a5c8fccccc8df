package embedded

import (
	"context"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

func TestServesJetStreamOnAnyPort(t *testing.T) {
	s, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	temp := s.temp
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AccountInfo(t.Context()); err != nil {
		t.Errorf("no JetStream: %v", err)
	}
	if port := s.Addr().(*net.TCPAddr).Port; port == 0 || !strings.HasSuffix(s.URL(), s.Addr().String()) {
		t.Errorf("%s, %s", s.URL(), s.Addr())
	}
	for range 2 { // again does no harm
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(temp); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is left: %v", err)
	}
	if c, err := net.Dial("tcp", s.Addr().String()); err == nil {
		_ = c.Close()
		t.Error("the port is still open")
	}
}

func TestStartNamesWhatIsWrong(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	file := t.TempDir() + "/file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		o    Options
		want string
	}{
		"port in use":   {Options{Listen: l.Addr().String()}, l.Addr().String()},
		"no port":       {Options{Listen: "127.0.0.1"}, "127.0.0.1"},
		"bad port":      {Options{Listen: "127.0.0.1:99999"}, "99999"},
		"bad directory": {Options{Listen: "127.0.0.1:0", Dir: file}, file},
	} {
		tt.o.Log = zerolog.Nop()
		s, err := Start(t.Context(), tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if s != nil {
			t.Errorf("%s: there is a server", name)
		}
	}
}
