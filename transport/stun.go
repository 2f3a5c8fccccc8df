package transport

import (
	"bytes"
	"encoding/binary"
	"net"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

const (
	stunHeader = 20
	stunCookie = 0x2112A442

	// errorBurst and errorRate bound the error responses of one socket or of all TCP connections. Strangers
	// can ask for such responses from forged addresses.
	errorBurst = 100
	errorRate  = 100 // per second
)

// stunScratch is what a reader needs to answer checks, kept to allocate little.
type stunScratch struct {
	request, reply stun.Message
}

// tokens is a token bucket for error responses.
type tokens struct {
	mu       sync.Mutex
	left     float64
	refilled time.Time
}

// plausibleSTUN is the cheap look before the parser: the cookie is there, and the length is that of the
// datagram.
func plausibleSTUN(b []byte) bool {
	return len(b) >= stunHeader && binary.BigEndian.Uint32(b[4:]) == stunCookie &&
		int(binary.BigEndian.Uint16(b[2:])) == len(b)-stunHeader && len(b)%4 == 0
}

// takeSTUN answers one STUN message: a connectivity check, as RFC 8445 section 7.3 and RFC 8489 section 9.1.3
// have it. It says whether the message was the client's answer to a check of the node's.
func (in *ingress) takeSTUN(b []byte, from origin, at time.Time) (proof bool) {
	m := &in.stun.request
	if !plausibleSTUN(b) {
		in.ep.count.drop(DropSTUNMalformed)
		return false
	}
	m.Raw = append(m.Raw[:0], b...)
	if m.Decode() != nil || stun.Fingerprint.Check(m) != nil {
		in.ep.count.drop(DropSTUNMalformed)
		return false
	}
	switch m.Type {
	case stun.BindingRequest:
		in.request(m, from, at)
	case stun.NewType(stun.MethodBinding, stun.ClassIndication): // a keepalive, which authenticates nothing
	case stun.BindingSuccess, stun.BindingError:
		return in.answer(m, from, at)
	default:
		in.ep.count.drop(DropSTUNMalformed)
	}
	return false
}

func (in *ingress) request(m *stun.Message, from origin, at time.Time) {
	user, err := m.Get(stun.AttrUsername)
	if err != nil || !m.Contains(stun.AttrMessageIntegrity) {
		in.refuse(m, from, at, stun.CodeBadRequest, nil)
		return
	}
	local, _, _ := bytes.Cut(user, []byte{':'})
	c := in.ep.table.credential(local)
	if c == nil || c.key.Check(m) != nil {
		in.refuse(m, from, at, stun.CodeUnauthorized, nil)
		return
	}
	if unknownRequired(m) {
		in.refuse(m, from, at, stun.CodeUnknownAttribute, c.key)
		return
	}
	if m.Contains(stun.AttrICEControlled) {
		// A lite agent is always the controlled one, so the client has to change its role.
		in.refuse(m, from, at, stun.CodeRoleConflict, c.key)
		return
	}
	k := check{tx: m.TransactionID, use: m.Contains(stun.AttrUseCandidate), size: len(m.Raw)}
	reason, ok := c.peer.takeCheck(c, from, k, at)
	if !ok {
		in.ep.count.drop(reason)
		return
	}
	in.ep.count.checksIn.Add(1)
	in.accept(m, from, c.key)
}

// answer takes in a response to a check of the node's. An error of the client proves nothing.
func (in *ingress) answer(m *stun.Message, from origin, at time.Time) bool {
	pt := in.ep.table.pathOf(from)
	if pt == nil || m.Type != stun.BindingSuccess || !pt.peer.takeAnswer(from, m, at) {
		in.ep.count.drop(DropSTUNUnasked)
		return false
	}
	return true
}

// accept sends the success response.
func (in *ingress) accept(m *stun.Message, from origin, key stun.MessageIntegrity) {
	ip := net.IP(from.addr.ip[:])
	if from.addr.is4() {
		ip = ip[12:]
	}
	r := in.newReply(m, stun.BindingSuccess)
	mapped := stun.XORMappedAddress{IP: ip, Port: int(from.addr.port)}
	if mapped.AddTo(r) == nil && key.AddTo(r) == nil && stun.Fingerprint.AddTo(r) == nil {
		in.respond(r.Raw, from)
	}
}

// refuse sends an error response, within the rate limit. key is nil if the request was not authenticated.
func (in *ingress) refuse(m *stun.Message, from origin, at time.Time, code stun.ErrorCode, key stun.MessageIntegrity) {
	in.ep.count.drop(DropSTUNUnauthorized)
	if !in.errors.take(at) {
		in.ep.count.drop(DropSTUNLimited)
		return
	}
	r := in.newReply(m, stun.BindingError)
	if code.AddTo(r) != nil {
		return
	}
	if code == stun.CodeUnknownAttribute {
		_ = unknownAttributes(m).AddTo(r)
	}
	if key != nil && key.AddTo(r) != nil {
		return
	}
	if stun.Fingerprint.AddTo(r) == nil {
		in.respond(r.Raw, from)
	}
}

func (in *ingress) newReply(m *stun.Message, t stun.MessageType) *stun.Message {
	r := &in.stun.reply
	r.Reset()
	r.Type, r.TransactionID = t, m.TransactionID
	r.WriteHeader()
	return r
}

func (in *ingress) respond(b []byte, from origin) {
	var err error
	if from.tcp != nil {
		err = from.tcp.sendSTUN(b)
	} else {
		salen := from.addr.sockaddr(from.sock.v6, &in.to)
		var ctl [pktinfoSpace]byte
		err = from.sock.sendTo(b, &in.to, salen, ctl[:putPktinfo(&ctl, from.local, from.sock.v6)])
	}
	if err != nil {
		in.ep.count.drop(DropSendFailed)
	}
}

// take takes a token, and says whether there was one.
func (t *tokens) take(at time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch passed := at.Sub(t.refilled); {
	case t.refilled.IsZero():
		t.left, t.refilled = errorBurst, at
	case passed > 0: // several goroutines come with times of their own
		t.left, t.refilled = min(errorBurst, t.left+passed.Seconds()*errorRate), at
	}
	if t.left < 1 {
		return false
	}
	t.left--
	return true
}

// understood are the attributes of the comprehension-required range that a check may have.
var understood = map[stun.AttrType]bool{
	stun.AttrUsername: true, stun.AttrMessageIntegrity: true, stun.AttrPriority: true, stun.AttrUseCandidate: true,
	stun.AttrXORMappedAddress: true, stun.AttrMappedAddress: true, stun.AttrMessageIntegritySHA256: true,
	stun.AttrRealm: true, stun.AttrNonce: true,
}

func unknownRequired(m *stun.Message) bool {
	for _, a := range m.Attributes {
		if a.Type.Required() && !understood[a.Type] {
			return true
		}
	}
	return false
}

func unknownAttributes(m *stun.Message) (list stun.UnknownAttributes) {
	for _, a := range m.Attributes {
		if a.Type.Required() && !understood[a.Type] && len(list) < 8 {
			list = append(list, a.Type)
		}
	}
	return list
}
