package config_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"parlor/config"
)

const secret = "0123456789abcdef0123456789abcdef"

// sources makes what Load reads: a file with the given text, the environment, the command line.
func sources(t *testing.T, yaml string, environ []string, args ...string) config.Sources {
	t.Helper()
	s := config.Sources{Environ: append([]string{"HOME=/root"}, environ...)}
	if yaml != "" {
		s.File = write(t, "sfu.yaml", yaml)
	}
	s.Flags = pflag.NewFlagSet("sfu", pflag.ContinueOnError)
	s.Flags.Bool("json", false, "no setting")
	config.Flags(s.Flags)
	require.NoError(t, s.Flags.Parse(args))
	return s
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// faults returns the faults of a configuration, as "key: part of the reason".
func faults(t *testing.T, err error) []*config.Error {
	t.Helper()
	require.Error(t, err)
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok, "%T", err)
	var all []*config.Error
	for _, e := range joined.Unwrap() {
		var one *config.Error
		require.True(t, errors.As(e, &one), "%v", e)
		all = append(all, one)
	}
	return all
}

func TestDefaultsServeThisMachineOnly(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/data")
	c, err := config.Load(sources(t, "", nil))
	require.NoError(t, err)
	require.EqualValues(t, "127.0.0.1:8080", c.HTTP.Listen)
	require.EqualValues(t, "127.0.0.1:7882", c.Media.Listen)
	require.EqualValues(t, "127.0.0.1:4222", c.NATS.Listen)
	require.Equal(t, "/data/parlor/nats-4222", c.NATS.StoreDir)
	require.NotEmpty(t, c.Node.ID)
	other, err := config.Load(sources(t, "", nil))
	require.NoError(t, err)
	require.NotEqual(t, c.Node.ID, other.Node.ID)
}

func TestDerivedSettings(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", "/data")
	for name, x := range map[string]struct {
		args            []string
		media, storeDir string
	}{
		"open to all":       {[]string{"--http.listen", ":8080", "--auth.keys", "a:" + secret}, ":7882", "/data/parlor/nats-4222"},
		"media configured":  {[]string{"--media.listen", "[::1]:9"}, "[::1]:9", "/data/parlor/nats-4222"},
		"any port of NATS":  {[]string{"--nats.listen", "127.0.0.1:0"}, "127.0.0.1:7882", ""},
		"NATS elsewhere":    {[]string{"--nats.url", "nats://n:4222"}, "127.0.0.1:7882", ""},
		"store configured":  {[]string{"--nats.listen", "127.0.0.1:0", "--nats.store_dir", "/x"}, "127.0.0.1:7882", "/x"},
		"HTTP on localhost": {[]string{"--http.listen", "localhost:0"}, "127.0.0.1:7882", "/data/parlor/nats-4222"},
		"HTTP on [::1]":     {[]string{"--http.listen", "[::1]:0"}, "127.0.0.1:7882", "/data/parlor/nats-4222"},
		"another NATS port": {[]string{"--nats.listen", "127.0.0.1:5000"}, "127.0.0.1:7882", "/data/parlor/nats-5000"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := config.Load(sources(t, "", nil, x.args...))
			require.NoError(t, err)
			require.EqualValues(t, x.media, c.Media.Listen)
			require.Equal(t, x.storeDir, c.NATS.StoreDir)
		})
	}
}

func TestFileThenEnvironmentThenFlags(t *testing.T) {
	file := "timers: {ping: 1s, lost: 4s, timeout: 30s}\nlimits:\n  seats: 5\n"
	env := []string{"SFU_TIMERS_LOST=5s", "SFU_TIMERS_TIMEOUT=40s"}
	c, err := config.Load(sources(t, file, env, "--timers.timeout", "50s"))
	require.NoError(t, err)
	require.Equal(t, time.Second, c.Timers.Ping, "file over default")
	require.Equal(t, 5*time.Second, c.Timers.Lost, "environment over file")
	require.Equal(t, 50*time.Second, c.Timers.Timeout, "flag over environment")
	require.Equal(t, 5, c.Limits.Seats)
	require.Equal(t, 300, c.Limits.CallUsers)
}

func TestEverySettingIsALineAVariableAndAFlag(t *testing.T) {
	values := map[string]string{ // the others take what `sfu config` prints for them
		"auth.keys": "a:" + secret, "media.external_ips": "192.0.2.1,2001:db8::1", "http.origins": "https://a.example,*", "http.base_path": "/media", "http.trusted_proxies": "192.0.2.0/24,2001:db8::1", "http.proxy_header": "Forwarded", "limits.seats": "77", "http.demo": "false", "http.stream": "false", "monitor.listen": "127.0.0.1:82", "monitor.allow": "192.0.2.1",
		"limits.strangers": "2000", "limits.strangers_per_address": "20", "limits.strangers_cpu": "30",
		"node.id": "n1", "log.level": "debug", "nats.store_dir": "/x", "debug.open": "true", "trace.endpoint": "http://[::1]:4318", "debug.listen": "127.0.0.1:6060", "log.format": "json",
		"auth.private_map_keys": "true", "auth.rest_keys": "AKID1:" + secret, "auth.keys_file": write(t, "keys", "# mine\n\nb:"+secret+"\n"), "media.listen": "10.0.0.1:5",
		"turn.tls": "false", "turn.listen": "[::1]:3478", "turn.host": "turn.example.org", "turn.lifetime": "2h",
		"turn.allocations": "30", "turn.allocations_per_session": "10", "turn.allocations_per_address": "20",
		"media.interfaces": "eth*,!wg0", "media.networks": "10.0.0.0/8,!2001:db8::/32",
		"nats.url": "nats://h:4222,tls://i", "nats.user": "u", "nats.password": secret, "nats.memory_mb": "65",
		"nats.store_mb": "1025", "nats.connections": "257", "nats.tls.ca": write(t, "ca", ""), "nats.tls.cert": write(t, "cert", ""), "nats.tls.key": write(t, "key", ""),
		"http.listen": "[::1]:80", "nats.listen": "[::1]:81",
		"room.loudest": "0", "room.no_estimate": "true", "room.no_keyframe_cache": "true", "nats.replicas": "3", "nats.events_age": "48h", "nats.events_mb": "64", "nats.events_max": "5000",
		"node.url": "https://sfu-1.example.org:444", "cluster.unsealed": "true", "node.region": "north", "cluster.lease": "9s", "cluster.forget": "1m", "cluster.placing": "spread",
		"webhook.url": "https://u:p@h/x?token=t", "webhook.key": secret + secret, "webhook.events": "103,104",
		"webhook.form": "trtc", "webhook.app": "1400000001", "webhook.timeout": "3s", "webhook.retry_for": "2h",
		"http.tls.cert": write(t, "cert", ""), "http.tls.key": write(t, "key", ""),
		"http.acme.hosts": "sfu.example.org,two.example.org", "http.acme.agree": "true", "http.acme.email": "ops@example.org", "http.acme.listen": "[::1]:83",
		"http.acme.directory": "https://ca.example/dir", "http.acme.ca": write(t, "authority", ""), "http.acme.store_dir": "/y",
	}
	var environ, args []string
	var file strings.Builder
	for i, f := range config.Fields() {
		v, ok := values[f.Key]
		switch {
		case ok:
		case strings.HasPrefix(f.Key, "limits."):
			v = fmt.Sprint(i + 1000)
		case strings.HasPrefix(f.Key, "timers."):
			v = fmt.Sprintf("%dms", 1000+i)
			if f.Key == "timers.timeout" {
				v = "2h"
			}
			if f.Key == "timers.lost" {
				v = "1h"
			}
		}
		// They stand in place of others.
		if slices.Contains([]string{"webhook.key_file", "nats.password_file", "nats.credentials"}, f.Key) {
			continue
		}
		require.NotEmpty(t, v, f.Key)
		environ = append(environ, f.Env+"="+v)
		args = append(args, "--"+f.Key+"="+v)
		fmt.Fprintf(&file, "%s: %q\n", f.Key, v)
	}
	fromEnv, err := config.Load(sources(t, "", environ))
	require.NoError(t, err)
	fromFlags, err := config.Load(sources(t, "", nil, args...))
	require.NoError(t, err)
	fromFile, err := config.Load(sources(t, nested(t, file.String()), nil))
	require.NoError(t, err)
	require.Equal(t, fromEnv, fromFlags)
	require.Equal(t, fromEnv, fromFile)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}, fromEnv.Media.ExternalIPs)
	require.Len(t, fromEnv.Auth.Keys, 2)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", fromEnv, fromEnv, fromEnv), secret, "printing a configuration shows no secret")
}

// nested turns lines of dotted keys into YAML sections.
func nested(t *testing.T, lines string) string {
	t.Helper()
	var out strings.Builder
	open := []string{}
	for line := range strings.Lines(lines) {
		key, value, _ := strings.Cut(line, ": ")
		parts := strings.Split(key, ".")
		same := 0
		for same < len(open) && same < len(parts)-1 && open[same] == parts[same] {
			same++
		}
		for i := same; i < len(parts)-1; i++ {
			fmt.Fprintf(&out, "%s%s:\n", strings.Repeat("  ", i), parts[i])
		}
		open = parts[:len(parts)-1]
		fmt.Fprintf(&out, "%s%s: %s", strings.Repeat("  ", len(open)), parts[len(parts)-1], value)
	}
	return out.String()
}

func TestAllFaultsAreReportedAtOnce(t *testing.T) {
	file := "http:\n  lisen: x\nlog: json\nauth:\n  keys: [short:1234, \"nocolon\"]\nlimits:\n  seats: many\nmedia:\n  external_ips: [1.2.3]\n"
	env := []string{"SFU_LOG_LEVEL=loud", "SFU_LOG_LEVLE=info", "SFU_PORT_8080_TCP=x", "SFU_SERVICE_HOST=x", "SFU_CONFIG=x", "SFU_ACTIVE_HELP=0", "OTHER=1"}
	_, err := config.Load(sources(t, file, env, "--limits.users=0", "--timers.ping=9s", "--timers.timeout=5", "--debug.open"))
	var got []string
	for _, f := range faults(t, err) {
		got = append(got, f.Key)
		require.NotEmpty(t, f.Source, f.Key)
		require.NotContains(t, f.Error(), "1234", "secrets are not quoted")
	}
	require.ElementsMatch(t, []string{
		"http.lisen", "log", "auth.keys", "limits.seats", "media.external_ips", "SFU_LOG_LEVLE", "log.level", "limits.users",
		"timers.ping", "timers.timeout",
	}, got)
}

func TestRefused(t *testing.T) {
	for _, x := range []struct{ args, key, reason string }{
		{"--http.listen=8080", "http.listen", "host:port"},
		{"--cluster.forget=4s", "cluster.forget", "cluster.lease (5s)"},
		{"--http.listen=127.0.0.1:http", "http.listen", "number"},
		{"--http.listen=127.0.0.1:65536", "http.listen", "number"},
		{"--http.listen=127.0.0.1:08", "http.listen", "plain"},
		{"--http.listen=", "http.listen", "needed"},
		{"--http.listen=:8080", "http.listen", "sfu key create"},
		{"--http.listen=192.0.2.1:80", "http.listen", "sfu key create"},
		{"--http.listen=example.org:80", "http.listen", "sfu key create"},
		{"--http.tls.cert=/nowhere --http.tls.key=/dev/null", "http.tls.cert", "no such file"},
		{"--http.tls.key=/dev/null", "http.tls.cert", "needed"},
		{"--http.acme.hosts=example.org", "http.acme.agree", "read the terms of the authority"},
		{"--http.acme.agree --http.acme.hosts=192.0.2.1", "http.acme.hosts", "no full host name"},
		{"--http.acme.agree --http.acme.hosts=*.example.org", "http.acme.hosts", "no full host name"},
		{"--http.acme.agree --http.acme.hosts=localhost", "http.acme.hosts", "no full host name"},
		{"--http.acme.agree --http.acme.hosts=a.example.org:443", "http.acme.hosts", "no port"},
		{"--http.acme.agree --http.acme.hosts=a.example.org,A.example.org", "http.acme.hosts", "twice"},
		{"--http.acme.agree --http.acme.hosts=" + strings.TrimSuffix(strings.Repeat("a.example.org,", 33), ","), "http.acme.hosts", "twice"},
		{"--http.acme.directory=http://ca.example/", "http.acme.directory", "no address of an ACME directory"},
		{"--http.acme.email=ops", "http.acme.email", "no address"},
		{"--http.acme.ca=/nowhere", "http.acme.ca", "no such file"},
		{"--http.acme.listen=:80", "http.acme.listen", "http.acme.hosts has none"},
		{"--http.origins=example.org", "http.origins", "origin"},
		{"--http.origins=https://example.org/", "http.origins", "origin"},
		{"--http.trusted_proxies=proxy.example", "http.trusted_proxies", "no address or network"},
		{"--http.trusted_proxies=10.0.0.1/8", "http.trusted_proxies", "10.0.0.0/8"},
		{"--limits.seats=129", "limits.seats", "128"},
		{"--http.proxy_header=x-real-ip", "http.proxy_header", "x-forwarded-for, forwarded"},
		{"--http.trusted_proxies=::/0", "http.trusted_proxies", "everybody"},
		{"--monitor.listen=:8081", "monitor.allow", "beyond loopback"},
		{"--monitor.allow=10.0.0.0/33", "monitor.allow", "no address or network"},
		{"--limits.strangers=10 --limits.strangers_per_address=11", "limits.strangers_per_address", "limits.strangers (10)"},
		{"--limits.strangers_cpu=101", "limits.strangers_cpu", "whole core"},
		{"--media.listen=example.org:1", "media.listen", "no IP address"},
		{"--turn.listen=example.org:1", "turn.listen", "no IP address"},
		{"--turn.host=https://example.org", "turn.host", "no scheme, no port"},
		{"--turn.host=example.org:443", "turn.host", "no scheme, no port"},
		{"--turn.lifetime=59s", "turn.lifetime", "less than 1m"},
		{"--turn.allocations=0", "turn.allocations", "less than 1"},
		{"--media.external_ips=0.0.0.0", "media.external_ips", "cannot be reached"},
		{"--media.interfaces=eth[", "media.interfaces", "pattern"},
		{"--media.interfaces=!", "media.interfaces", "pattern"},
		{"--media.networks=10.0.0.1", "media.networks", "10.0.0.0/8"},
		{"--media.networks=!x", "media.networks", "no network"},
		{"--nats.url=127.0.0.1:4222", "nats.url", "nats://"},
		{"--nats.url=http://h", "nats.url", "nats://"},
		{"--nats.listen=", "nats.listen", "needed"},
		{"--nats.replicas=3", "nats.replicas", "nats.url"},
		{"--nats.replicas=6 --nats.url=nats://h:4222", "nats.replicas", "5"},
		{"--nats.events_age=10000h", "nats.events_age", "8760h"},
		{"--node.id=a.b", "node.id", "A-Z"},
		{"--auth.keys=:" + secret, "auth.keys", "id"},
		{"--auth.keys=a:" + secret + ",a:" + secret, "auth.keys", "two keys"},
		{"--auth.keys_file=/dev/null", "auth.keys_file", "no key"},
		{"--auth.keys_file=/nowhere", "auth.keys_file", "no such file"},
		{"--webhook.url=app.example.org/x --webhook.key=" + secret, "webhook.url", "https://"},
		{"--webhook.url=ftp://h --webhook.key=" + secret, "webhook.url", "https://"},
		{"--webhook.url=https://h/#x --webhook.key=" + secret, "webhook.url", "#"},
		{"--webhook.url=https://h", "webhook.key", "openssl"},
		{"--webhook.key=0123", "webhook.key", "4 bytes"},
		{"--webhook.key_file=/nowhere --webhook.url=https://h", "webhook.key_file", "no such file"},
		{"--webhook.key_file=/dev/null --webhook.url=https://h", "webhook.key_file", "0 bytes"},
		{"--webhook.key_file=/dev/null --webhook.key=" + secret, "webhook.key_file", "one of them"},
		{"--webhook.events=103,107", "webhook.events", "107"},
		{"--webhook.events=entered", "webhook.events", "whole number"},
		{"--webhook.retry_for=48h", "webhook.retry_for", "24h"},
		{"--log.format=xml", "log.format", "none of"},
		{"--debug.listen=:6060", "debug.listen", "loopback"},
		{"--trace.endpoint=localhost:4318", "trace.endpoint", "no address"},
		{"--trace.endpoint=https://", "trace.endpoint", "no address"},
		{"--trace.endpoint=http://u:p@h", "trace.endpoint", "no address"},
		{"--debug.listen=6060", "debug.listen", "host:port"},
		{"--limits.handshakes=1.5", "limits.handshakes", "whole number"},
		{"--timers.consent=48h", "timers.consent", "24h"},
		{"--timers.timeout=8s", "timers.timeout", "not above"},
	} {
		t.Run(x.args, func(t *testing.T) {
			_, err := config.Load(sources(t, "", nil, strings.Fields(x.args)...))
			all := faults(t, err)
			require.Len(t, all, 1, "%v", err)
			require.Equal(t, x.key, all[0].Key)
			require.Contains(t, all[0].Reason, x.reason)
		})
	}
}

func TestFilesThatCannotBeRead(t *testing.T) {
	for name, text := range map[string]string{"no YAML": "a: [", "a list": "- a\n", "twice": "log:\n  level: info\n  level: info\n"} {
		t.Run(name, func(t *testing.T) {
			_, err := config.Load(sources(t, text, nil))
			all := faults(t, err)
			require.Equal(t, "--config", all[0].Key)
			require.Contains(t, all[0].Reason, "sfu.yaml")
		})
	}
	s := sources(t, "", nil)
	s.File = "/nowhere.yaml"
	_, err := config.Load(s)
	require.ErrorContains(t, err, "/nowhere.yaml")
}

func TestDottedKeysInAFile(t *testing.T) {
	c, err := config.Load(sources(t, "http.listen: 127.0.0.1:9\nlimits.seats: 9\n", nil))
	require.NoError(t, err)
	require.EqualValues(t, "127.0.0.1:9", c.HTTP.Listen)
	require.Equal(t, 9, c.Limits.Seats)
}

func TestEmptySectionsAndValuesAreDefaults(t *testing.T) {
	c, err := config.Load(sources(t, "http:\nmedia:\n  listen:\n", nil))
	require.NoError(t, err)
	require.EqualValues(t, "127.0.0.1:7882", c.Media.Listen)
}

func TestPrintedConfigurationReadsBack(t *testing.T) {
	c, err := config.Load(sources(t, "", nil, "--limits.seats=7", "--http.origins=*", "--nats.store_dir=/x", "--timers.timeout=1h"))
	require.NoError(t, err)
	text, err := c.YAML()
	require.NoError(t, err)
	again, err := config.Load(sources(t, string(text), nil))
	require.NoError(t, err, "%s", text)
	require.Empty(t, again.Auth.Keys)
	again.HTTP.TrustedProxies, again.Monitor.Allow = c.HTTP.TrustedProxies, c.Monitor.Allow
	// Empty is as good as none.
	again.Auth.Keys, again.Media.ExternalIPs, again.Webhook.Events = c.Auth.Keys, c.Media.ExternalIPs, c.Webhook.Events
	again.Media.Interfaces, again.Media.Networks = c.Media.Interfaces, c.Media.Networks
	again.HTTP.ACME.Hosts, again.Auth.RestKeys = c.HTTP.ACME.Hosts, c.Auth.RestKeys
	require.Equal(t, c, again)
	for _, f := range config.Fields() {
		require.Contains(t, string(text), "# "+f.Env+"\n")
	}
	require.Contains(t, string(text), "timeout: 1h\n")
}

func TestPrintedConfigurationHasNoSecrets(t *testing.T) {
	c, err := config.Load(sources(t, "", nil, "--auth.keys=a:"+secret, "--nats.url=nats://user:hunter2@h:4222,nats://sesame@i",
		"--webhook.url=https://u:hunter2@h/x?token=sesame", "--webhook.key="+secret))
	require.NoError(t, err)
	text, err := c.YAML()
	require.NoError(t, err)
	for _, word := range []string{secret, "hunter2", "sesame"} {
		require.NotContains(t, string(text), word)
	}
	_, err = config.Load(sources(t, string(text), nil))
	require.ErrorContains(t, err, "auth.keys", "a masked secret is not taken for one")
	require.ErrorContains(t, err, "webhook.key")
}

func TestWebhookKeyFile(t *testing.T) {
	c, err := config.Load(sources(t, "", nil, "--webhook.url=https://h", "--webhook.key_file="+write(t, "key", secret+"\n")))
	require.NoError(t, err)
	require.EqualValues(t, secret, c.Webhook.Key)
	require.NoError(t, c.Complete())
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, c, c), secret)
}

func TestCompleteChecksWhatWasMadeByHand(t *testing.T) {
	c := config.Default()
	c.HTTP.Listen, c.Limits.Seats = ":80", 0
	require.Len(t, faults(t, c.Complete()), 2)
	c = config.Default()
	require.NoError(t, c.Complete())
	first := c
	require.NoError(t, c.Complete())
	require.Equal(t, first, c)
}

// TestOperationsNameEverySetting keeps docs/operations.md complete.
func TestOperationsNameEverySetting(t *testing.T) {
	doc, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	for _, f := range config.Fields() {
		require.True(t, strings.Contains(string(doc), "| `"+f.Key+"` |"), "docs/operations.md does not have %s", f.Key)
		require.True(t, strings.Contains(string(doc), "| "+f.Doc+" |"), "docs/operations.md says something else about %s", f.Key)
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{
		"http:\n  listen: \":0\"\n", "auth: {keys: [a:b]}", "limits: {seats: 1e3}", "timers: {ping: 2}", "log: {level: {a: b}}",
		"media: {external_ips: 1.2.3.4}", "http: [1]", "? [a]: b", "a.b.c: d", "http.listen: x", "\xff", "1: 2", "~: 1",
	} {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "fuzz.yaml")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := config.Load(config.Sources{File: path, Environ: []string{}})
		if err != nil {
			faults(t, err)
			return
		}
		if err := c.Complete(); err != nil {
			t.Fatalf("%q was taken, and then not: %v", text, err)
		}
	})
}

// TestServicesOfKubernetes: what Kubernetes sets for services whose names begin with ours does not stop a
// node.
func TestServicesOfKubernetes(t *testing.T) {
	env := []string{"SFU_PORT=tcp://10.0.0.1:80", "SFU_SERVICE_HOST=10.0.0.1", "SFU_SERVICE_PORT=80", "SFU_SERVICE_PORT_HTTP=80"}
	for _, name := range []string{"SFU_MEDIA", "SFU_NATS", "SFU_HTTP_INNER"} {
		env = append(env, name+"_SERVICE_HOST=10.0.0.1", name+"_SERVICE_PORT=7882", name+"_SERVICE_PORT_RTP=7882", name+"_PORT=udp://10.0.0.1:7882",
			name+"_PORT_7882_UDP=udp://10.0.0.1:7882", name+"_PORT_7882_UDP_PROTO=udp", name+"_PORT_7882_UDP_PORT=7882", name+"_PORT_7882_UDP_ADDR=10.0.0.1")
	}
	_, err := config.Load(sources(t, "", env))
	require.NoError(t, err)
	_, err = config.Load(sources(t, "", []string{"SFU_HTTP_PORT=8080", "SFU_SERVICE=x"}))
	require.Len(t, faults(t, err), 2, "what somebody has misspelt is still said")
}

// TestBasePath: a path in front of the node's own ones, without a slash at its end.
func TestBasePath(t *testing.T) {
	for given, want := range map[string]string{"": "", "/": "", "/media": "/media", "/media/": "/media", "/a/b-c.d_e~1": "/a/b-c.d_e~1"} {
		c, err := config.Load(sources(t, "", nil, "--http.base_path="+given))
		require.NoError(t, err, given)
		require.Equal(t, want, c.HTTP.BasePath)
	}
	for _, given := range []string{"media", "//media", "/a/../b", "/a?b", "/a b", "https://example.org/media", "/ü"} {
		_, err := config.Load(sources(t, "", nil, "--http.base_path="+given))
		require.ErrorContains(t, err, "http.base_path", given)
	}
}

// TestFormOfWebhooks: the other form takes the number of the application, and nothing else does.
func TestFormOfWebhooks(t *testing.T) {
	for args, key := range map[string]string{
		"--webhook.form=trtc":                           "webhook.app",
		"--webhook.app=5":                               "webhook.app",
		"--webhook.form=trtc --webhook.app=-1":          "webhook.app",
		"--webhook.form=trtc --webhook.app=99999999999": "webhook.app",
		"--webhook.form=other":                          "webhook.form",
		"--webhook.form=trtc --webhook.app=1400000001":  "",
	} {
		_, err := config.Load(sources(t, "", nil, strings.Fields(args)...))
		if key == "" {
			require.NoError(t, err)
			continue
		}
		require.ErrorContains(t, err, key, args)
	}
	_, err := config.Load(sources(t, "", nil, "--auth.rest_keys=a:"+secret+",a:"+secret))
	require.ErrorContains(t, err, "auth.rest_keys")
}
