package turn_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v4"
	pion "github.com/pion/turn/v5"
	"github.com/stretchr/testify/require"

	"parlor/transport/turn"
)

// limit is how long a test waits for what has to happen.
const limit = 10 * time.Second

var (
	media  = netip.MustParseAddrPort("203.0.113.7:7882") // reached by no packet: only its name is of use
	media2 = netip.MustParseAddrPort("127.0.0.1:7882")
)

// node is a server on loopback whose media port answers each packet with the same bytes.
type node struct {
	*turn.Server
	t    testing.TB
	udp  net.Addr
	tcp  net.Addr
	now  atomic.Int64 // what has passed, in ns
	ways atomic.Int32 // ways that the media port has taken
}

func start(t testing.TB, set func(*turn.Options)) *node {
	t.Helper()
	n := &node{t: t}
	base := time.Now()
	o := turn.Options{
		Peers: func() []netip.AddrPort { return []netip.AddrPort{media, media2} },
		Relay: func(c net.Conn, _ netip.AddrPort) bool {
			n.ways.Add(1)
			go n.echo(c)
			return true
		},
		Now: func() time.Time { return base.Add(time.Duration(n.now.Load())) },
	}
	if set != nil {
		set(&o)
	}
	s, err := turn.New(o)
	require.NoError(t, err)
	n.Server = s
	pc, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	n.udp, n.tcp = pc.LocalAddr(), l.Addr()
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, []net.PacketConn{pc}, []net.Listener{l}) }()
	t.Cleanup(func() {
		stop()
		select {
		case err := <-ended:
			require.NoError(t, err)
			s := n.Stats()
			require.Zero(t, s.Allocations+s.Connections, "left behind")
		case <-time.After(limit):
			t.Error("Run does not end")
		}
	})
	return n
}

func (n *node) echo(c net.Conn) {
	defer c.Close()
	b := make([]byte, 4096)
	for {
		k, err := c.Read(b)
		if err != nil {
			return
		}
		if _, err := c.Write(b[:k]); err != nil {
			return
		}
	}
}

// client is one of pion/turn.
func (n *node) client(c turn.Credential, tcp bool) *pion.Client {
	n.t.Helper()
	var conn net.PacketConn
	var err error
	at := n.udp
	if tcp {
		at = n.tcp
		c, err := net.Dial("tcp4", at.String())
		require.NoError(n.t, err)
		conn = pion.NewSTUNConn(c)
	} else {
		conn, err = net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(n.t, err)
	}
	quiet := &logging.DefaultLoggerFactory{DefaultLogLevel: logging.LogLevelDisabled}
	client, err := pion.NewClient(&pion.ClientConfig{
		STUNServerAddr: at.String(), TURNServerAddr: at.String(), Username: c.Username, Password: c.Password,
		Conn: conn, LoggerFactory: quiet, RTO: 100 * time.Millisecond,
	})
	require.NoError(n.t, err)
	require.NoError(n.t, client.Listen())
	n.t.Cleanup(func() { client.Close(); _ = conn.Close() })
	return client
}

func (n *node) refused(why turn.Reason) uint64 { return n.Stats().Refused[why] }

// eventually waits for a count.
func (n *node) eventually(what string, ok func() bool) {
	n.t.Helper()
	require.Eventually(n.t, ok, limit, 2*time.Millisecond, what)
}

func echoes(t testing.TB, relayed net.PacketConn, to netip.AddrPort, b []byte) {
	t.Helper()
	_, err := relayed.WriteTo(b, net.UDPAddrFromAddrPort(to))
	require.NoError(t, err)
	require.NoError(t, relayed.SetReadDeadline(time.Now().Add(limit)))
	back := make([]byte, 2000)
	n, from, err := relayed.ReadFrom(back)
	require.NoError(t, err)
	require.Equal(t, to.String(), from.String())
	require.Equal(t, b, back[:n])
}

func TestPacketsGoToTheMediaPortAndBack(t *testing.T) {
	n := start(t, nil)
	for _, tcp := range []bool{false, true} {
		relayed, err := n.client(n.Issue("ann"), tcp).Allocate()
		require.NoError(t, err)
		require.Equal(t, media.Addr().String(), relayed.LocalAddr().(*net.UDPAddr).IP.String())
		for _, to := range []netip.AddrPort{media, media2} {
			for _, size := range []int{5, 20, 100, 1200, 1472} { // the first ones as indications, then on a channel
				echoes(t, relayed, to, bytes.Repeat([]byte{0x80}, size))
			}
		}
		require.NoError(t, relayed.Close())
	}
	require.EqualValues(t, 4, n.ways.Load(), "an allocation has a way to each address that is used")
	n.eventually("allocations are given back", func() bool { return n.Stats().Allocations == 0 })
	s := n.Stats()
	require.EqualValues(t, 20, s.PacketsIn)
	require.Equal(t, s.BytesIn, s.BytesOut)
}

// TestNothingElseIsRelayedTo: a permission or a channel to anything but the media port is forbidden.
func TestNothingElseIsRelayedTo(t *testing.T) {
	n := start(t, nil)
	client := n.client(n.Issue("ann"), true)
	relayed, err := client.Allocate()
	require.NoError(t, err)
	for i, peer := range []string{
		"127.0.0.2:7882", "203.0.113.8:7882", "192.168.0.1:80", "169.254.169.254:80", "0.0.0.0:7882", "255.255.255.255:7882",
	} {
		err := client.CreatePermission(net.UDPAddrFromAddrPort(netip.MustParseAddrPort(peer)))
		require.ErrorContains(t, err, "403", peer)
		require.EqualValues(t, i+1, n.refused(turn.ForeignPeer), peer)
	}
	require.NoError(t, client.CreatePermission(net.UDPAddrFromAddrPort(media)))
	before := n.refused(turn.ForeignPeer)
	// The permission is for an address, whatever the port. What is sent to another port stays here.
	_, err = relayed.WriteTo([]byte("to HTTP"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(media.Addr(), 8080)))
	require.NoError(t, err)
	n.eventually("data to another port is refused", func() bool { return n.refused(turn.ForeignPeer) > before })
	require.Zero(t, n.ways.Load())
}

// speaker speaks to the server by hand.
type speaker struct {
	t     testing.TB
	conn  net.Conn
	c     turn.Credential
	nonce stun.Nonce
	realm stun.Realm
}

func (n *node) speaker(c turn.Credential) *speaker {
	n.t.Helper()
	conn, err := net.Dial("tcp4", n.tcp.String())
	require.NoError(n.t, err)
	n.t.Cleanup(func() { _ = conn.Close() })
	return &speaker{t: n.t, conn: conn, c: c}
}

// say sends a request and returns the code of the answer: 0 is success.
func (s *speaker) say(method stun.Method, more ...stun.Setter) int {
	s.t.Helper()
	setters := append([]stun.Setter{stun.TransactionID, stun.NewType(method, stun.ClassRequest)}, more...)
	if s.nonce != nil {
		key := pion.GenerateAuthKey(s.c.Username, s.realm.String(), s.c.Password)
		setters = append(setters, stun.NewUsername(s.c.Username), s.realm, s.nonce, stun.MessageIntegrity(key))
	}
	m, err := stun.Build(setters...)
	require.NoError(s.t, err)
	_, err = s.conn.Write(m.Raw)
	require.NoError(s.t, err)
	res := s.hear()
	if res.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var e stun.ErrorCodeAttribute
	require.NoError(s.t, e.GetFrom(res))
	if s.nonce == nil && e.Code == stun.CodeUnauthorized {
		require.NoError(s.t, s.nonce.GetFrom(res))
		require.NoError(s.t, s.realm.GetFrom(res))
		return s.say(method, more...)
	}
	return int(e.Code)
}

func (s *speaker) hear() *stun.Message {
	s.t.Helper()
	require.NoError(s.t, s.conn.SetReadDeadline(time.Now().Add(limit)))
	head := make([]byte, 20)
	_, err := io.ReadFull(s.conn, head)
	require.NoError(s.t, err)
	rest := make([]byte, binary.BigEndian.Uint16(head[2:]))
	_, err = io.ReadFull(s.conn, rest)
	require.NoError(s.t, err)
	m := &stun.Message{Raw: append(head, rest...)}
	require.NoError(s.t, m.Decode())
	return m
}

type attribute struct {
	kind  stun.AttrType
	value []byte
}

func (a attribute) AddTo(m *stun.Message) error {
	m.Add(a.kind, a.value)
	return nil
}

var overUDP = attribute{stun.AttrRequestedTransport, []byte{17, 0, 0, 0}}

// peer is XOR-PEER-ADDRESS, also in forms that no client makes.
type peer struct {
	family byte
	ip     []byte
	port   uint16
}

func (p peer) AddTo(m *stun.Message) error {
	v := []byte{0, p.family}
	v = binary.BigEndian.AppendUint16(v, p.port^0x2112)
	mask := append([]byte{0x21, 0x12, 0xA4, 0x42}, m.TransactionID[:]...)
	for i, b := range p.ip {
		v = append(v, b^mask[i])
	}
	m.Add(stun.AttrXORPeerAddress, v)
	return nil
}

func v4(at netip.AddrPort) peer { return peer{1, at.Addr().AsSlice(), at.Port()} }

// TestChannelsAreToTheMediaPortAlone: with its port, in its own form.
func TestChannelsAreToTheMediaPortAlone(t *testing.T) {
	n := start(t, nil)
	s := n.speaker(n.Issue("ann"))
	require.Zero(t, s.say(stun.MethodAllocate, overUDP))
	channel := attribute{stun.AttrChannelNumber, []byte{0x40, 0, 0, 0}}
	mapped := media.Addr().As16()
	for what, p := range map[string]stun.Setter{
		"another port":          peer{1, media.Addr().AsSlice(), 443},
		"port 0":                peer{1, media.Addr().AsSlice(), 0},
		"another address":       peer{1, []byte{127, 0, 0, 2}, media.Port()},
		"IPv4 in IPv6 form":     peer{2, mapped[:], media.Port()},
		"loopback in IPv6 form": peer{2, net.IPv4(127, 0, 0, 1).To16(), media.Port()},
	} {
		before := n.refused(turn.ForeignPeer)
		require.Equal(t, 403, s.say(stun.MethodChannelBind, channel, p), what)
		require.Equal(t, before+1, n.refused(turn.ForeignPeer), what)
	}
	require.Equal(t, 403, s.say(stun.MethodCreatePermission, v4(media), peer{1, []byte{10, 0, 0, 1}, 1}), "one of two is foreign")
	require.Equal(t, 403, s.say(stun.MethodCreatePermission, peer{2, mapped[:], media.Port()}))
	require.NotZero(t, s.say(stun.MethodChannelBind, channel, peer{2, net.IPv6loopback, media.Port()}), "a family that the allocation is not of")
	require.Zero(t, s.say(stun.MethodChannelBind, channel, v4(media)))
	require.Zero(t, n.ways.Load())
}

func TestCredentials(t *testing.T) {
	n := start(t, nil)
	c := n.Issue("ann")
	require.Equal(t, time.Hour, c.Left)
	wrong, foreign, made := c, n.Issue("ben"), c
	wrong.Password += "x"
	foreign.Username = c.Username
	made.Username = "99999999999:ann" // for ever
	for what, bad := range map[string]turn.Credential{
		"a wrong password": wrong, "somebody else's password": foreign, "a user name of one's own making": made,
		"no session": {Username: "99999999999:carl", Password: c.Password}, "no user name": {Username: "x", Password: "x"},
	} {
		before := n.refused(turn.Unauthorized)
		s := n.speaker(bad)
		require.Equal(t, 401, s.say(stun.MethodAllocate, overUDP), what)
		require.Equal(t, before+1, n.refused(turn.Unauthorized), what)
	}
	other := start(t, nil)
	other.Issue("ann")
	require.Equal(t, 401, other.speaker(c).say(stun.MethodAllocate, overUDP), "of another process")

	s, late := n.speaker(c), n.speaker(c)
	require.Zero(t, s.say(stun.MethodAllocate, overUDP))
	n.now.Store(int64(time.Hour + time.Second))
	s.say(stun.MethodCreatePermission, v4(media)) // carries nothing, so it would be ended as idle in a moment
	require.Equal(t, 401, late.say(stun.MethodAllocate, overUDP), "too old for a new allocation")
	require.EqualValues(t, 1, n.refused(turn.Expired))
	require.Zero(t, n.speaker(n.Issue("ann")).say(stun.MethodAllocate, overUDP), "newer ones are good")
}

// TestAnAllocationOutlivesItsCredentials: what is in use goes on for as long as the session does.
func TestAnAllocationOutlivesItsCredentials(t *testing.T) {
	n := start(t, func(o *turn.Options) { o.Lifetime, o.Idle, o.Stranger = time.Minute, time.Hour, time.Hour })
	s := n.speaker(n.Issue("ann"))
	require.Zero(t, s.say(stun.MethodAllocate, overUDP))
	n.now.Store(int64(2 * time.Minute))
	require.Zero(t, s.say(stun.MethodRefresh))
	require.Zero(t, s.say(stun.MethodCreatePermission, v4(media)))

	fresh := n.Issue("ann")
	n.End("ann")
	require.NoError(t, s.conn.SetReadDeadline(time.Now().Add(limit)))
	_, err := s.conn.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF, "the session has ended")
	require.Zero(t, n.Stats().Allocations)
	require.Equal(t, 401, n.speaker(fresh).say(stun.MethodAllocate, overUDP))
	require.Zero(t, n.refused(turn.Expired))
}

// TestEndOverUDP: there is no connection to close, so nothing is relayed any more.
func TestEndOverUDP(t *testing.T) {
	n := start(t, nil)
	relayed, err := n.client(n.Issue("ann"), false).Allocate()
	require.NoError(t, err)
	echoes(t, relayed, media, []byte("coming in"))
	n.End("ann")
	n.eventually("the allocation is gone", func() bool { return n.Stats().Allocations == 0 })
	in := n.Stats().PacketsIn
	_, _ = relayed.WriteTo([]byte("out"), net.UDPAddrFromAddrPort(media))
	n.eventually("what comes late is refused", func() bool { return n.refused(turn.NoAllocation) > 0 })
	require.Equal(t, in, n.Stats().PacketsIn)
}

func TestAllocationsAreBounded(t *testing.T) {
	n := start(t, func(o *turn.Options) { o.Limits = turn.Limits{Allocations: 5, PerSession: 2, PerSite: 4} })
	take := func(session string) int { return n.speaker(n.Issue(session)).say(stun.MethodAllocate, overUDP) }
	require.Equal(t, []int{0, 0, 486}, []int{take("ann"), take("ann"), take("ann")}, "of a session")
	require.Equal(t, []int{0, 0, 486}, []int{take("ben"), take("ben"), take("carl")}, "of an address")
	require.EqualValues(t, 2, n.refused(turn.Quota))
	require.Equal(t, 4, n.Stats().Allocations)
	n.End("ann")
	n.eventually("places are free again", func() bool { return n.Stats().Allocations == 2 })
	require.Zero(t, take("carl"))
}

func TestRequestsThatNoRelayNeeds(t *testing.T) {
	n := start(t, nil)
	s := n.speaker(n.Issue("ann"))
	require.Equal(t, 508, s.say(stun.MethodAllocate, attribute{stun.AttrRequestedTransport, []byte{6, 0, 0, 0}}), "over TCP to the peer")
	require.Equal(t, 508, s.say(stun.MethodAllocate, overUDP, attribute{stun.AttrEvenPort, []byte{0x80}}), "a port of one's choice")
	require.Equal(t, 508, s.say(stun.MethodAllocate, overUDP, attribute{stun.AttrRequestedAddressFamily, []byte{2, 0, 0, 0}}), "a family that the media port does not have")
	require.EqualValues(t, 1, n.refused(turn.Family))
	require.Zero(t, s.say(stun.MethodAllocate, overUDP))
	before := n.refused(turn.Method)
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodConnect, stun.ClassRequest))
	require.NoError(t, err)
	_, err = s.conn.Write(m.Raw)
	require.NoError(t, err)
	n.eventually("Connect is refused", func() bool { return n.refused(turn.Method) == before+1 })
	require.Zero(t, s.say(stun.MethodRefresh), "the connection goes on")
}

// TestWhatIsIdleEnds: connections without an allocation, and allocations that carry nothing.
func TestWhatIsIdleEnds(t *testing.T) {
	n := start(t, nil)
	slow, idle := n.speaker(n.Issue("slow")), n.speaker(n.Issue("idle"))
	busy := n.client(n.Issue("busy"), true)
	relayed, err := busy.Allocate()
	require.NoError(t, err)
	require.Zero(t, idle.say(stun.MethodAllocate, overUDP))
	_, err = slow.conn.Write([]byte{0, 3, 0}) // the rest never comes
	require.NoError(t, err)
	n.eventually("all are there", func() bool { return n.Stats().Connections == 3 })
	n.now.Store(int64(30 * time.Second))
	n.eventually("the slow one is hung up on", func() bool { return n.refused(turn.IdleConnection) == 1 })
	echoes(t, relayed, media, []byte("at work"))
	n.now.Store(int64(61 * time.Second))
	n.eventually("so is the idle one", func() bool { return n.refused(turn.IdleAllocation) == 1 })
	for _, s := range []*speaker{slow, idle} {
		require.NoError(t, s.conn.SetReadDeadline(time.Now().Add(limit)))
		_, err = s.conn.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
	}
	echoes(t, relayed, media, []byte("still busy"))
}

func TestNonsenseIsHungUpOn(t *testing.T) {
	n := start(t, nil)
	for what, b := range map[string][]byte{
		"HTTP":                           []byte("GET / HTTP/1.1\r\n\r\n"),
		"TLS":                            {0x80, 1, 2, 3, 4},
		"a message that is too large":    {0, 1, 0xff, 0xfc, 0x21, 0x12, 0xA4, 0x42},
		"a packet that is too large":     {0x40, 0, 0xff, 0xff},
		"many messages that mean little": bytes.Repeat([]byte{0x40, 1, 0, 0}, 20),
		"many requests without a right":  bytes.Repeat(append([]byte{0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42}, make([]byte, 12)...), 20),
	} {
		s := n.speaker(turn.Credential{})
		_, err := s.conn.Write(b)
		require.NoError(t, err)
		require.NoError(t, s.conn.SetReadDeadline(time.Now().Add(limit)))
		_, err = io.Copy(io.Discard, s.conn)
		require.NotErrorIs(t, err, context.DeadlineExceeded, what)
		require.False(t, err != nil && err.(net.Error).Timeout(), what)
	}
	require.NotZero(t, n.refused(turn.Malformed))
	require.NotZero(t, n.refused(turn.Limited))
}

// TestStrangersOverUDPGetFewAnswers: their addresses may be forged, so that answers go to others.
func TestStrangersOverUDPGetFewAnswers(t *testing.T) {
	n := start(t, nil)
	conn, err := net.Dial("udp4", n.udp.String())
	require.NoError(t, err)
	defer conn.Close()
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodAllocate, stun.ClassRequest), overUDP)
	require.NoError(t, err)
	const asked = 260
	answers, b := 0, make([]byte, 2000)
	for range asked {
		before := n.refused(turn.Limited)
		_, err = conn.Write(m.Raw)
		require.NoError(t, err)
		for wait := time.Now().Add(limit); n.refused(turn.Limited) == before; { // one after another, so that no buffer is full
			_ = conn.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
			k, err := conn.Read(b)
			if err == nil {
				answers++
				require.LessOrEqual(t, k+28, 3*(len(m.Raw)+28), "the answer")
				break
			}
			require.True(t, time.Now().Before(wait), "neither an answer nor none after %d: %v", answers, n.Stats())
		}
	}
	require.Equal(t, 200, answers)
	require.EqualValues(t, asked-200, n.refused(turn.Limited))
	n.now.Store(int64(time.Second))
	_, err = conn.Write(m.Raw)
	require.NoError(t, err)
	_ = conn.SetReadDeadline(time.Now().Add(limit))
	_, err = conn.Read(b)
	require.NoError(t, err, "later it gets some again")
}
