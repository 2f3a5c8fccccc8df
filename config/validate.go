package config

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// mediaPort is the default port of media.
const mediaPort = "7882"

// maxSeats is what negotiate.MaxSections and MaxOfferSize have room for.
const maxSeats = 128

// check reports what is wrong with values that could be read.
func (l *loader) check() {
	l.checkHTTP()
	l.checkMedia()
	l.checkTURN()
	l.checkNATS()
	l.checkTrace()
	l.checkWebhook()
	l.checkNames()
	l.checkNumbers()
}

func (l *loader) checkHTTP() {
	c := &l.config
	if c.HTTP.Listen == "" {
		l.fail("http.listen", "an address is needed, such as 127.0.0.1:8080")
		return
	}
	l.checkPair("http.tls", c.HTTP.TLS.Cert, c.HTTP.TLS.Key)
	l.checkACME()
	for _, o := range c.HTTP.Origins {
		if err := checkOrigin(o); err != "" {
			l.fail("http.origins", err)
		}
	}
	if c.HTTP.BasePath = strings.TrimSuffix(c.HTTP.BasePath, "/"); !isPrefix(c.HTTP.BasePath) {
		l.fail("http.base_path", "must be a path such as /media, of letters, digits and - . _ ~")
	}
	for _, p := range c.HTTP.TrustedProxies {
		if p.Bits() == 0 {
			l.fail("http.trusted_proxies", p.String()+" is everybody, and then any client could say that it has another one's address")
		}
	}
	if c.HTTP.ProxyHeader = strings.ToLower(c.HTTP.ProxyHeader); c.HTTP.ProxyHeader != XForwardedFor && c.HTTP.ProxyHeader != Forwarded {
		l.fail("http.proxy_header", fmt.Sprintf("%q is none of %s, %s", c.HTTP.ProxyHeader, XForwardedFor, Forwarded))
	}
	if len(c.Auth.Keys) == 0 && !l.reach && !l.failed["auth.keys"] && !l.failed["auth.keys_file"] && !c.HTTP.Listen.Loopback() {
		l.fail("http.listen", fmt.Sprintf(noKey, c.HTTP.Listen, c.HTTP.Listen))
	}
	if at := c.Monitor.Listen; at != "" && !at.Loopback() && len(c.Monitor.Allow) == 0 {
		l.fail("monitor.allow", string(at)+" is beyond loopback: say who may connect, such as 10.0.0.0/8")
	}
	if at := c.Debug.Listen; at != "" && !at.Loopback() && !c.Debug.Open {
		l.fail("debug.listen", string(at)+" is beyond loopback: whoever reaches it reads the node's memory; --debug.open allows it in a closed network")
	}
}

// checkPair refuses half a certificate, and files that are not there.
func (l *loader) checkPair(section, cert, key string) {
	switch {
	case cert != "" && key == "":
		l.fail(section+".key", "is needed together with "+section+".cert")
	case key != "" && cert == "":
		l.fail(section+".cert", "is needed together with "+section+".key")
	}
	l.checkFile(section+".cert", cert)
	l.checkFile(section+".key", key)
}

// checkFile refuses a path at which there is nothing; empty: none is needed.
func (l *loader) checkFile(key, path string) {
	if path == "" {
		return
	}
	if _, err := os.Stat(path); err != nil {
		l.fail(key, err.Error())
	}
}

// checkTrace refuses what is no address of a collector.
func (l *loader) checkTrace() {
	at := l.config.Trace.Endpoint
	if at == "" {
		return
	}
	if u, err := url.Parse(at); err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" {
		l.fail("trace.endpoint", "is no address of a collector, such as http://127.0.0.1:4318")
	}
}

// noKey says what to do when a node without a key is to be reachable from elsewhere.
const noKey = `others could enter any room at %s, because no key is configured. Make one, and start with it:
    sfu key create --out sfu.keys
    sfu --http.listen %s --auth.keys_file sfu.keys
  Users then need tokens:
    sfu token create --auth.keys_file sfu.keys --room lobby --user ann
  Or stay on this machine: --http.listen 127.0.0.1:8080`

func checkOrigin(o string) string {
	if o == "*" {
		return ""
	}
	u, err := url.Parse(o)
	if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || o != u.Scheme+"://"+u.Host {
		return fmt.Sprintf("%q is no origin, such as https://meet.example.org (no path)", o)
	}
	return ""
}

func (l *loader) checkMedia() {
	if l.config.Media.Listen != "" {
		if _, err := l.config.Media.Listen.AddrPort(); err != nil {
			l.fail("media.listen", err.Error())
		}
	}
	for _, s := range l.config.Media.Interfaces {
		pattern, _ := strings.CutPrefix(s, "!")
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			l.fail("media.interfaces", fmt.Sprintf("%q is no name or pattern of an interface, such as eth0, eth* or !wg0", s))
		}
	}
	if _, _, err := l.config.Media.Prefixes(); err != nil {
		l.fail("media.networks", err.Error())
	}
	for _, ip := range l.config.Media.ExternalIPs {
		if ip.IsUnspecified() || ip.IsMulticast() || ip.Zone() != "" {
			l.fail("media.external_ips", ip.String()+" cannot be reached by anybody")
		}
	}
}

func (l *loader) checkTURN() {
	c := &l.config.TURN
	if c.Listen != "" {
		if _, err := c.Listen.AddrPort(); err != nil {
			l.fail("turn.listen", err.Error())
		}
	}
	if c.Host != "" && strings.ContainsAny(c.Host, "/:?#@[]% ") && !isAddr(c.Host) {
		l.fail("turn.host", fmt.Sprintf("%q is no host name or address, such as sfu-1.example.org (no scheme, no port)", c.Host))
	}
	if l.sound("turn.lifetime") && c.Lifetime < time.Minute {
		l.fail("turn.lifetime", fmt.Sprintf("%v is less than 1m", c.Lifetime))
	}
}

// isAddr reports whether text is an IP address without a zone.
func isAddr(text string) bool {
	ip, err := netip.ParseAddr(text)
	return err == nil && ip.Zone() == ""
}

func (l *loader) checkNames() {
	c := &l.config
	if c.Node.ID != "" && !validName(c.Node.ID) {
		l.fail("node.id", "is not 1 to 64 of A-Z a-z 0-9 _ -")
	}
	if c.Node.URL != "" {
		if u, err := url.Parse(c.Node.URL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || c.Node.URL != u.Scheme+"://"+u.Host {
			l.fail("node.url", fmt.Sprintf("%q is no base URL, such as https://sfu-1.example.org (no path, no slash at the end)", c.Node.URL))
		}
	}
	if len(c.Node.Region) > 64 {
		l.fail("node.region", "has more than 64 bytes")
	}
	if rules := []string{"load", "region", "spread"}; !slices.Contains(rules, c.Cluster.Placing) {
		l.fail("cluster.placing", fmt.Sprintf("%q is none of %s", c.Cluster.Placing, strings.Join(rules, ", ")))
	}
	if levels := []string{"trace", "debug", "info", "warn", "error"}; !slices.Contains(levels, c.Log.Level) {
		l.fail("log.level", fmt.Sprintf("%q is none of %s", c.Log.Level, strings.Join(levels, ", ")))
	}
	if formats := []string{"auto", "console", "json"}; !slices.Contains(formats, c.Log.Format) {
		l.fail("log.format", fmt.Sprintf("%q is none of %s", c.Log.Format, strings.Join(formats, ", ")))
	}
	l.checkKeys("auth.keys", c.Auth.Keys)
	l.checkKeys("auth.rest_keys", c.Auth.RestKeys)
}

// checkKeys refuses two keys of one id.
func (l *loader) checkKeys(setting string, keys []Key) {
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k.ID()] {
			l.fail(setting, fmt.Sprintf("there are two keys with the id %q", k.ID()))
		}
		seen[k.ID()] = true
	}
}

// maxLoudest is the router's bound.
const maxLoudest = 16

// checkNumbers refuses limits and timers that make no sense.
func (l *loader) checkNumbers() {
	for _, f := range fields {
		switch v := f.value(&l.config).Interface().(type) {
		case int:
			if f.Key == "room.loudest" {
				if v < 0 || v > maxLoudest {
					l.fail(f.Key, fmt.Sprintf("%d is not between 0 and %d", v, maxLoudest))
				}
				continue
			}
			least := 1
			if f.Key == "nats.events_max" || f.Key == "webhook.app" { // 0: as many as fit; none
				least = 0
			}
			if v < least {
				l.fail(f.Key, fmt.Sprintf("%d is less than %d", v, least))
			}
		case time.Duration:
			most := 24 * time.Hour
			if f.Key == "nats.events_age" {
				most *= 365
			}
			if v < time.Millisecond || v > most {
				l.fail(f.Key, fmt.Sprintf("%v is not between 1ms and %s", v, shortDuration(most)))
			}
		}
	}
	l.checkOrder()
}

// sound reports whether the settings could be read. If one could not, it is no fault of the others that they
// do not fit to it.
func (l *loader) sound(keys ...string) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return l.failed[key] })
}

// checkOrder refuses durations that do not fit to each other.
func (l *loader) checkOrder() {
	if lease := l.config.Cluster.Lease; lease < time.Second {
		l.fail("cluster.lease", fmt.Sprintf("%v is less than 1s", lease))
	}
	if c := &l.config.Cluster; l.sound("cluster.lease", "cluster.forget") && c.Forget < c.Lease {
		l.fail("cluster.forget", fmt.Sprintf("%v is below cluster.lease (%v): a node that is only late would be taken for gone", c.Forget, c.Lease))
	}
	if n := &l.config.Limits; l.sound("limits.strangers", "limits.strangers_per_address") && n.StrangersPer > n.Strangers {
		l.fail("limits.strangers_per_address", fmt.Sprintf("%d is more than limits.strangers (%d)", n.StrangersPer, n.Strangers))
	}
	if v := l.config.Limits.Seats; v > maxSeats {
		l.fail("limits.seats", fmt.Sprintf("%d is more than %d, for which an offer has room", v, maxSeats))
	}
	if v := l.config.Limits.StrangersCPU; v > 100 {
		l.fail("limits.strangers_cpu", fmt.Sprintf("%d is more than 100, a whole core", v))
	}
	t := &l.config.Timers
	if l.sound("timers.ping", "timers.lost") && t.Ping >= t.Lost {
		l.fail("timers.ping", fmt.Sprintf("%v is not below timers.lost (%v): every client would report a lost connection", t.Ping, t.Lost))
	}
	if l.sound("timers.timeout", "timers.lost") && t.Timeout <= t.Lost {
		l.fail("timers.timeout", fmt.Sprintf("%v is not above timers.lost (%v)", t.Timeout, t.Lost))
	}
}

// derive fills in the settings that follow from others.
func (c *Config) derive() {
	if c.Media.Listen == "" {
		c.Media.Listen = ":" + mediaPort
		if c.HTTP.Listen.Loopback() {
			c.Media.Listen = Address("127.0.0.1:" + mediaPort)
		}
	}
	if c.Node.ID == "" {
		c.Node.ID = "node-" + strings.ToLower(rand.Text()[:8])
	}
	if len(c.HTTP.ACME.Hosts) > 0 && c.HTTP.ACME.StoreDir == "" {
		c.HTTP.ACME.StoreDir = filepath.Join(dataDir(), "acme")
	}
	if c.NATS.URL == "" && c.NATS.StoreDir == "" && c.NATS.Listen.Port() != 0 {
		c.NATS.StoreDir = filepath.Join(dataDir(), "nats-"+strconv.Itoa(c.NATS.Listen.Port()))
	}
}

// dataDir returns where data of this program stands: the XDG data directory. If the user has no home, as in a
// container, it is below the temporary directory.
func dataDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "parlor")
	}
	if home, err := os.UserHomeDir(); err == nil && home != "/" && home != "/nonexistent" {
		return filepath.Join(home, ".local", "share", "parlor")
	}
	return filepath.Join(os.TempDir(), "parlor")
}

// Complete checks a Config that was put together by hand, as Load checks those of its sources, and fills in
// what is derived. The error joins an *Error for each fault. A Config of Load passes unchanged.
func (c *Config) Complete() error {
	l := newLoader(*c)
	l.check()
	if len(l.errs) > 0 {
		return errors.Join(l.errs...)
	}
	c.derive()
	return nil
}

// isPrefix reports whether a path can stand in front of others: "", or /media. Package session/remote reads
// it the same way in a header.
func isPrefix(p string) bool {
	const chars = "/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	return p == "" || p[0] == '/' && path.Clean(p) == p && strings.Trim(p, chars) == ""
}
