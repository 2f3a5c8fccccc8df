package embedded

import (
	"context"
	"crypto/tls"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"parlor/transport/certtest"
)

// TestOnlyWhoIsAskedInConnects is the table of the clients that get in.
func TestOnlyWhoIsAskedInConnects(t *testing.T) {
	ours := certtest.New(t)
	cert, pool := ours.Issue(t, "127.0.0.1"), ours.Pool()
	stranger := certtest.New(t).Issue(t, "127.0.0.1")
	trusts := nats.Secure(&tls.Config{RootCAs: pool})
	shows := func(c tls.Certificate) nats.Option {
		return nats.Secure(&tls.Config{RootCAs: pool, Certificates: []tls.Certificate{c}})
	}
	user := func(u, p string) nats.Option { return nats.UserInfo(u, p) }
	server, mutual := &tls.Config{Certificates: []tls.Certificate{cert}}, &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert}
	for name, c := range map[string]struct {
		o      Options
		client []nats.Option
		in     bool
	}{
		"nobody is asked":                {Options{}, nil, true},
		"no password":                    {Options{User: "sfu", Password: "secret"}, nil, false},
		"a wrong one":                    {Options{User: "sfu", Password: "secret"}, []nats.Option{user("sfu", "Secret")}, false},
		"another user":                   {Options{User: "sfu", Password: "secret"}, []nats.Option{user("ufs", "secret")}, false},
		"the right one":                  {Options{User: "sfu", Password: "secret"}, []nats.Option{user("sfu", "secret")}, true},
		"no TLS":                         {Options{User: "sfu", Password: "secret", TLS: server}, []nats.Option{user("sfu", "secret")}, false},
		"TLS":                            {Options{User: "sfu", Password: "secret", TLS: server}, []nats.Option{user("sfu", "secret"), trusts}, true},
		"no certificate":                 {Options{TLS: mutual}, []nats.Option{trusts}, false},
		"a certificate of somebody":      {Options{TLS: mutual}, []nats.Option{shows(stranger)}, false},
		"a certificate of the authority": {Options{TLS: mutual}, []nats.Option{shows(cert)}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Listen, c.o.Log = "127.0.0.1:0", zerolog.Nop()
			s, err := Start(t.Context(), c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = s.Shutdown(context.Background()) }()
			nc, err := nats.Connect("nats://"+s.Addr().String(), c.client...)
			if (err == nil) != c.in {
				t.Errorf("%v", err)
			}
			if err == nil {
				nc.Close()
			}
			inner, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(c.o.User, c.o.Password))
			if err != nil {
				t.Fatalf("this process: %v", err)
			}
			defer inner.Close()
			js, err := inner.JetStream()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := js.AccountInfo(); err != nil {
				t.Errorf("no JetStream: %v", err)
			}
		})
	}
}

// TestASecondServerLeavesTheStoreAlone: the second server finds the port or the directory taken before it has
// opened anything.
func TestASecondServerLeavesTheStoreAlone(t *testing.T) {
	dir := t.TempDir()
	first, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	tree := func() string {
		var names []string
		_ = filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
			if err == nil {
				names = append(names, path+info.ModTime().String())
			}
			return nil
		})
		return strings.Join(names, "\n")
	}
	before := tree()
	for listen, want := range map[string]string{first.Addr().String(): "address already in use", "127.0.0.1:0": "another process uses it"} {
		if s, err := Start(t.Context(), Options{Listen: listen, Dir: dir, Log: zerolog.Nop()}); err == nil || s != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", listen, err)
		}
	}
	if tree() != before {
		t.Error("the store was touched")
	}
	if err := first.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	again, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Dir: dir, Log: zerolog.Nop()})
	if err != nil {
		t.Fatalf("after its end: %v", err)
	}
	_ = again.Shutdown(context.Background())
}

func TestTheServerIsBounded(t *testing.T) {
	s, err := Start(t.Context(), Options{Listen: "127.0.0.1:0", Log: zerolog.Nop(), MaxStore: 32 << 20, MaxMemory: 8 << 20, MaxConnections: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Shutdown(context.Background()) }()
	nc, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		storage nats.StorageType
		bytes   int64
		fits    bool
	}{
		"disk": {nats.FileStorage, 16 << 20, true}, "more disk": {nats.FileStorage, 33 << 20, false},
		"memory": {nats.MemoryStorage, 4 << 20, true}, "more memory": {nats.MemoryStorage, 9 << 20, false},
	} {
		_, err := js.AddStream(&nats.StreamConfig{Name: strings.ReplaceAll(name, " ", "-"), Subjects: []string{strings.ReplaceAll(name, " ", "-")}, Storage: c.storage, MaxBytes: c.bytes})
		if (err == nil) != c.fits {
			t.Errorf("%s: %v", name, err)
		}
	}
	second, err := nats.Connect(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if third, err := nats.Connect(s.URL(), nats.Timeout(time.Second)); err == nil {
		third.Close()
		t.Error("a connection more than there may be")
	}
	if got := bounded("/nowhere", 5); got != 5 {
		t.Errorf("%d", got)
	}
	if got := bounded(t.TempDir(), 1<<62); got >= 1<<62 {
		t.Error("more than the disk has")
	}
}
