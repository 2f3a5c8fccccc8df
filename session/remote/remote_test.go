package remote_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"parlor/session/remote"
)

var (
	networks  = remote.Networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:1::/48")}
	proxies   = remote.Proxies{Networks: networks}
	forwarded = remote.Proxies{Networks: networks, Forwarded: true} // which write that header
)

// TestAddressOfTheClient: the client's address is what the nearest trusted proxies tell, and nothing that a
// client can write.
func TestAddressOfTheClient(t *testing.T) {
	for name, x := range map[string]struct {
		from    string
		xff     []string
		rfc7239 []string
		by      remote.Proxies
		want    string
		trusted bool
	}{
		"no proxy":                             {from: "192.0.2.1:5", want: "192.0.2.1"},
		"IPv4 in IPv6":                         {from: "[::ffff:192.0.2.1]:5", want: "192.0.2.1"},
		"headers of a stranger":                {from: "192.0.2.1:5", xff: []string{"198.51.100.7"}, rfc7239: []string{"for=198.51.100.7"}, want: "192.0.2.1"},
		"a proxy that says nothing":            {from: "10.0.0.1:5", want: "10.0.0.1", trusted: true},
		"one proxy":                            {from: "10.0.0.1:5", xff: []string{"198.51.100.7"}, want: "198.51.100.7", trusted: true},
		"the client has written the first":     {from: "10.0.0.1:5", xff: []string{"203.0.113.9, 198.51.100.7"}, want: "198.51.100.7", trusted: true},
		"the same in two lines":                {from: "10.0.0.1:5", xff: []string{"203.0.113.9", "198.51.100.7"}, want: "198.51.100.7", trusted: true},
		"two proxies":                          {from: "10.0.0.1:5", xff: []string{"203.0.113.9, 198.51.100.7,10.9.9.9"}, want: "198.51.100.7", trusted: true},
		"proxies alone":                        {from: "10.0.0.1:5", xff: []string{"10.0.0.3, 10.0.0.2"}, want: "10.0.0.3", trusted: true},
		"with a port":                          {from: "10.0.0.1:5", xff: []string{"198.51.100.7:4711"}, want: "198.51.100.7", trusted: true},
		"IPv6":                                 {from: "[2001:db8:1::5]:5", xff: []string{"2001:db8:2::7"}, want: "2001:db8:2::7", trusted: true},
		"rubbish is not looked behind":         {from: "10.0.0.1:5", xff: []string{"198.51.100.7, rubbish"}, want: "10.0.0.1", trusted: true},
		"an empty element":                     {from: "10.0.0.1:5", xff: []string{"198.51.100.7,"}, want: "10.0.0.1", trusted: true},
		"Forwarded":                            {from: "10.0.0.1:5", rfc7239: []string{`for=203.0.113.9, proto=https;For="198.51.100.7:1"`}, by: forwarded, want: "198.51.100.7", trusted: true},
		"Forwarded, IPv6":                      {from: "10.0.0.1:5", rfc7239: []string{`for="[2001:db8:2::7]:4711";proto=http`}, by: forwarded, want: "2001:db8:2::7", trusted: true},
		"Forwarded, unknown":                   {from: "10.0.0.1:5", rfc7239: []string{"for=unknown"}, by: forwarded, want: "10.0.0.1", trusted: true},
		"Forwarded, which the client wrote":    {from: "10.0.0.1:5", xff: []string{"198.51.100.7"}, rfc7239: []string{"for=203.0.113.9"}, want: "198.51.100.7", trusted: true},
		"X-Forwarded-For, the same":            {from: "10.0.0.1:5", xff: []string{"203.0.113.9"}, rfc7239: []string{"for=198.51.100.7"}, by: forwarded, want: "198.51.100.7", trusted: true},
		"Forwarded of proxies that write none": {from: "10.0.0.1:5", rfc7239: []string{"for=203.0.113.9"}, want: "10.0.0.1", trusted: true},
		"a socket of the file system":          {from: "@", want: "invalid IP"},
		"a zone is no part of who somebody is": {from: "[fe80::1%eth0]:5", want: "fe80::1"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = x.from
			if x.by.Networks == nil {
				x.by = proxies
			}
			r.Header["X-Forwarded-For"], r.Header["Forwarded"] = x.xff, x.rfc7239
			got := x.by.Remote(r)
			require.Equal(t, x.want, got.Addr.String())
			require.Equal(t, x.trusted, got.Trusted)
			x.by.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				require.Equal(t, got, remote.Of(r))
			})).ServeHTTP(httptest.NewRecorder(), r)
			require.False(t, remote.Of(r).Trusted, "without the handler nobody is")
		})
	}
}

func TestSite(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1": "192.0.2.1/32", "::ffff:192.0.2.1": "192.0.2.1/32", "2001:db8::1:2:3:4": "2001:db8::/64", "fe80::1%eth0": "fe80::/64",
	} {
		require.Equal(t, want, remote.Site(netip.MustParseAddr(addr)).String())
	}
	require.False(t, remote.Remote{}.Site().IsValid())
}

// TestWhereTheClientCameTo: the farthest of the trusted proxies says where the client came to, and nobody
// before it.
func TestWhereTheClientCameTo(t *testing.T) {
	for name, x := range map[string]struct {
		from        string
		forwarded   bool
		header      http.Header
		proto, host string
	}{
		"X-Forwarded-Proto and -Host": {"10.0.0.1:5", false, http.Header{"X-Forwarded-Proto": {"HTTPS"}, "X-Forwarded-Host": {"app.example"}}, "https", "app.example"},
		"of a stranger":               {"192.0.2.1:5", false, http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example"}}, "", ""},
		"beside Forwarded":            {"10.0.0.1:5", true, http.Header{"X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"app.example"}}, "", ""},
		"Forwarded":                   {"10.0.0.1:5", true, http.Header{"Forwarded": {`for=192.0.2.1;proto=https;host="app.example:8443"`}}, "https", "app.example:8443"},
		"Forwarded of a stranger":     {"192.0.2.1:5", true, http.Header{"Forwarded": {`for=192.0.2.2;proto=https;host=app.example`}}, "", ""},
		"Forwarded that is not read":  {"10.0.0.1:5", false, http.Header{"Forwarded": {`for=192.0.2.1;proto=https;host=app.example`}}, "", ""},
		"without for":                 {"10.0.0.1:5", true, http.Header{"Forwarded": {`Proto="https"; Host=app.example`}}, "https", "app.example"},
		"for a name":                  {"10.0.0.1:5", true, http.Header{"Forwarded": {`for=_x;proto=http;host=evil, for=_hidden;proto=https;host=app`}}, "https", "app"},
		"two proxies":                 {"10.0.0.1:5", true, http.Header{"Forwarded": {`for=192.0.2.1;proto=https;host=app`, `for=10.0.0.2;proto=http;host=inner`}}, "https", "app"},
		"the outer one says less":     {"10.0.0.1:5", true, http.Header{"Forwarded": {`for=192.0.2.1;proto=https, for=10.0.0.2;proto=http;host=inner`}}, "https", "inner"},
		"what the client wrote":       {"10.0.0.1:5", true, http.Header{"Forwarded": {`for=10.0.0.9;proto=https;host=evil`, `for=192.0.2.1;proto=http;host=app`}}, "http", "app"},
		"the client's quote":          {"10.0.0.1:5", true, http.Header{"Forwarded": {`for="x;host=evil, for=192.0.2.1;proto=http;host=app`}}, "http", "app"},
		"said twice":                  {"10.0.0.1:5", true, http.Header{"Forwarded": {`for=192.0.2.1;host=app;host=evil;proto=`}}, "", "app"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr, r.Header = x.from, x.header
			got := remote.Proxies{Networks: networks, Forwarded: x.forwarded}.Remote(r)
			require.Equal(t, []string{x.proto, x.host}, []string{got.Proto, got.Host})
		})
	}
}

// FuzzForwarded: the part that the nearest proxy has written counts, whatever stands before it.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "for=1.2.3.4", `for="[::1]:5"`, "a,,b", `for="1.2.3.4`, `"`, "for=;for=", `host="a,b";proto=https`, `for=10.0.0.9;host=a`, `;;=;host`, `host="\",for=1"`, "unknown", "[", "]:1", "::1%", ","} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = "10.0.0.1:5"
		r.Header["X-Forwarded-For"] = []string{s}
		_ = proxies.Remote(r).Site()
		r.Header["X-Forwarded-For"] = []string{s + ",198.51.100.7"}
		require.Equal(t, "198.51.100.7", proxies.Remote(r).Addr.String())
		delete(r.Header, "X-Forwarded-For")
		r.Header["Forwarded"] = []string{s}
		_ = forwarded.Remote(r).Site()
		r.Header["Forwarded"] = []string{s + ",for=198.51.100.7;proto=https;host=app"}
		got := forwarded.Remote(r)
		require.Equal(t, "198.51.100.7 https app", got.Addr.String()+" "+got.Proto+" "+got.Host)
	})
}

// TestProxyThatWritesTheOtherHeader: a proxy that does not write the header that is read is noticed. Headers
// of others do not matter.
func TestProxyThatWritesTheOtherHeader(t *testing.T) {
	for name, c := range map[string]struct {
		forwarded bool
		from      string
		said      []string
		want      int
	}{
		"the right one":  {false, "10.0.0.5", []string{"X-Forwarded-For"}, 0},
		"both":           {false, "10.0.0.5", []string{"X-Forwarded-For", "Forwarded"}, 0},
		"none":           {false, "10.0.0.5", nil, 0},
		"the other":      {false, "10.0.0.5", []string{"Forwarded"}, 1},
		"turned round":   {true, "10.0.0.5", []string{"X-Forwarded-For"}, 1},
		"right, as well": {true, "10.0.0.5", []string{"Forwarded"}, 0},
		"a stranger":     {false, "192.0.2.1", []string{"Forwarded"}, 0},
	} {
		told := 0
		p := remote.Proxies{Networks: remote.Networks{netip.MustParsePrefix("10.0.0.0/8")}, Forwarded: c.forwarded, Other: func() { told++ }}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = c.from + ":4000"
		for _, header := range c.said {
			r.Header.Add(header, "for=198.51.100.1")
		}
		p.Remote(r)
		require.Equal(t, c.want, told, name)
	}
}
