package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// faults loads settings and returns the keys that have a fault, and all that is said of them.
func faults(t *testing.T, reach bool, environ ...string) (keys []string, text string) {
	t.Helper()
	_, err := Load(Sources{Environ: append([]string{}, environ...), Reach: reach})
	if err == nil {
		return nil, ""
	}
	for _, one := range err.(interface{ Unwrap() []error }).Unwrap() {
		keys = append(keys, one.(*Error).Key)
	}
	return keys, err.Error()
}

func TestNATSIsClosedToStrangers(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	pem, password, empty := file("x.pem", "x"), file("p", "  0123456789abcdef\n"), file("e", "\n")
	const secret = "0123456789abcdef"
	for name, c := range map[string]struct {
		environ []string
		reach   bool
		want    []string
	}{
		"loopback asks nobody":              {[]string{"SFU_NATS_LISTEN=127.0.0.1:4222"}, false, nil},
		"beyond it somebody has to":         {[]string{"SFU_NATS_LISTEN=0.0.0.0:4222"}, false, []string{"nats.listen"}},
		"every interface":                   {[]string{"SFU_NATS_LISTEN=:4222"}, false, []string{"nats.listen"}},
		"a password":                        {[]string{"SFU_NATS_LISTEN=:4222", "SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD=" + secret}, false, nil},
		"one of a file":                     {[]string{"SFU_NATS_LISTEN=:4222", "SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD_FILE=" + password}, false, nil},
		"TLS alone lets everybody in":       {[]string{"SFU_NATS_LISTEN=:4222", "SFU_NATS_TLS_CERT=" + pem, "SFU_NATS_TLS_KEY=" + pem}, false, []string{"nats.listen"}},
		"with an authority it does not":     {[]string{"SFU_NATS_LISTEN=:4222", "SFU_NATS_TLS_CERT=" + pem, "SFU_NATS_TLS_KEY=" + pem, "SFU_NATS_TLS_CA=" + pem}, false, nil},
		"it is not this node's server":      {[]string{"SFU_NATS_LISTEN=:4222", "SFU_NATS_URL=nats://nats:4222"}, false, nil},
		"who only reaches it does not care": {[]string{"SFU_NATS_LISTEN=:4222"}, true, nil},
		"a short password":                  {[]string{"SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD=short"}, false, []string{"nats.password"}},
		"no user":                           {[]string{"SFU_NATS_PASSWORD=" + secret}, false, []string{"nats.user"}},
		"no password":                       {[]string{"SFU_NATS_USER=sfu"}, false, []string{"nats.password"}},
		"two passwords":                     {[]string{"SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD=" + secret, "SFU_NATS_PASSWORD_FILE=" + password}, false, []string{"nats.password_file"}},
		"an empty file":                     {[]string{"SFU_NATS_LISTEN=:4222", "SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD_FILE=" + empty}, false, []string{"nats.password_file"}},
		"half a certificate":                {[]string{"SFU_NATS_TLS_CERT=" + pem}, false, []string{"nats.tls.key"}},
		"an authority for nothing":          {[]string{"SFU_NATS_TLS_CA=" + pem}, false, []string{"nats.tls.ca"}},
		"an authority of another's server":  {[]string{"SFU_NATS_TLS_CA=" + pem, "SFU_NATS_URL=tls://nats:4222"}, false, nil},
		"credentials for nothing":           {[]string{"SFU_NATS_CREDENTIALS=" + pem}, false, []string{"nats.credentials"}},
		"credentials that are not there":    {[]string{"SFU_NATS_URL=nats://nats:4222", "SFU_NATS_CREDENTIALS=" + pem + "x"}, false, []string{"nats.credentials"}},
		"two users":                         {[]string{"SFU_NATS_URL=nats://a:b@nats:4222", "SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD=x"}, false, []string{"nats.url"}},
		"less disk than events":             {[]string{"SFU_NATS_STORE_MB=256"}, false, []string{"nats.store_mb"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, text := faults(t, c.reach, c.environ...)
			require.Equal(t, c.want, got, text)
			require.NotContains(t, text, secret)
		})
	}
	c, err := Load(Sources{Environ: []string{"SFU_NATS_USER=sfu", "SFU_NATS_PASSWORD_FILE=" + password}})
	require.NoError(t, err)
	require.Equal(t, Secret(secret), c.NATS.Password)
	text, err := c.YAML()
	require.NoError(t, err)
	require.NotContains(t, string(text), secret)
	again := c
	require.NoError(t, again.Complete(), "a Config of Load passes unchanged")
}

// TestOneFaultIsOneError: what only follows from a setting that could not be read is not said.
func TestOneFaultIsOneError(t *testing.T) {
	for _, environ := range []string{
		"SFU_TIMERS_LOST=8", "SFU_TIMERS_PING=3", "SFU_TIMERS_TIMEOUT=90", "SFU_CLUSTER_LEASE=5", "SFU_CLUSTER_FORGET=180", "SFU_LIMITS_USERS=many",
		"SFU_NATS_EVENTS_MB=much", "SFU_NATS_STORE_MB=more", "SFU_LIMITS_STRANGERS=many SFU_LIMITS_STRANGERS_PER_ADDRESS=100000",
	} {
		keys, text := faults(t, false, strings.Fields(environ)...)
		require.Len(t, keys, 1, text)
	}
}

func TestWhatWasMeant(t *testing.T) {
	for typed, want := range map[string]string{
		"medai": "did you mean media?", "medai.listen": "did you mean media?", "http.lisen": "http.listen", "http.tsl.cert": "did you mean http.tls?", "timers.los": "timers.lost",
		"auth.keysfile": "auth.keys_file", "listen": "http.listen", "something": "`sfu config` lists all",
	} {
		path := filepath.Join(t.TempDir(), "sfu.yaml")
		text := typed + ": x\n"
		for range 2 { // a: {b: x}
			text = strings.Replace(text, ".", ": {", 1)
		}
		text = strings.TrimSuffix(text, "\n") + strings.Repeat("}", strings.Count(text, "{"))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(Sources{File: path, Environ: []string{}})
		require.ErrorContains(t, err, want, text)
	}
	require.Equal(t, "media.listen", Nearest("medai.listen", Keys()))
	_, text := faults(t, false, "SFU_MEDAI_LISTEN=:1")
	require.Contains(t, text, "did you mean SFU_MEDIA_LISTEN?")
	require.Equal(t, "room", Nearest("roomm", []string{"user", "room", "node"}))
	require.Equal(t, "", Nearest("dismiss", []string{"user", "room", "node"}))
	require.Equal(t, "", Nearest(strings.Repeat("room", 1000), []string{"room"}))
}

// TestSecretsInTheWrongPlaceAreNotShown: if somebody forgets a line or a colon, the secret stands where a
// name is looked for.
func TestSecretsInTheWrongPlaceAreNotShown(t *testing.T) {
	const secret = "8f2b6c1de94f0a7733c5aa01be42d9178f2b6c1de94f0a7733c5aa01be42d917"
	for _, text := range []string{
		"auth: {\"k1:" + secret + "\"}", "auth:\n  " + secret + ": x", "\"k1:" + secret + "\": x", secret + ":\n  k1: x", "auth: {keys: {" + secret + ": x}}",
		"webhook:\n  key " + secret + ": x",
	} {
		path := filepath.Join(t.TempDir(), "sfu.yaml")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := Load(Sources{File: path, Environ: []string{}})
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), secret[:16], text)
	}
	_, said := faults(t, false, "SFU_AUTH_KEY_"+secret+"=x")
	require.NotEmpty(t, said)
	require.NotContains(t, said, secret[:16])
}

func TestFlagsNameTheirKind(t *testing.T) {
	fs := pflag.NewFlagSet("", pflag.ContinueOnError)
	Flags(fs)
	for flag, kind := range map[string]string{"webhook.key": "text", "nats.password": "text", "auth.keys": "list", "timers.lost": "duration", "http.listen": "address"} {
		require.Equal(t, kind, fs.Lookup(flag).Value.Type(), flag)
	}
}

func FuzzNearest(f *testing.F) {
	f.Add("medai.listen")
	f.Add("ä.b..c")
	f.Fuzz(func(t *testing.T, word string) {
		if got := Nearest(word, Keys()); got != "" && len(word) > longest {
			t.Fatal("a word longer than all of ours")
		}
		for _, c := range Quotable(word) {
			if c > 127 && c != '…' {
				t.Fatalf("%q", Quotable(word))
			}
		}
	})
}
