package transport

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pion/stun/v4"

	"parlor/packet"
	"parlor/transport/negotiate"
)

// ErrOtherClient says that an offer comes from another PeerConnection than the one that this peer serves: its
// certificate is another one. Such an offer needs a new Peer.
var ErrOtherClient = errors.New("the offer comes from another connection: its fingerprint has changed")

// maxSeats is how many receiving sections one connection may have had, stopped ones included. Each keeps its
// SSRCs for good, because their rollover counters go on. Raising it costs 60 bytes each.
const maxSeats = 1024

// sdpState is what the answers of a peer have in common.
type sdpState struct {
	// mu is held for the whole of a negotiation, so that answers are built without Peer.mu, which the readers
	// need.
	mu sync.Mutex

	id, version uint64 // of the o= line
	role        negotiate.Role
	fragment    negotiate.NodeFragment   // of an ICE restart, without credentials and candidates
	last        []negotiate.PriorSection // of the last offer
	before      []negotiate.PriorSection // of the one it followed: where a client is that has lost the answer
	ssrcs       map[string][2]uint32
	used        map[uint32]bool
}

// Negotiate answers an offer: the first one, a re-offer, or an ICE restart. A restart is recognised by new
// ICE credentials and leaves DTLS and SRTP as they are. streams maps the mids of receive sections to media
// stream ids. Sections that it does not name are paired by order. An offer that is refused changes nothing.
func (p *Peer) Negotiate(o *negotiate.Offer, streams map[string]string) (string, []packet.Section, error) {
	d := &p.sdp
	d.mu.Lock()
	defer d.mu.Unlock()
	c, isNew, err := p.credentialFor(o)
	if err != nil {
		return "", nil, err
	}
	before, err := d.follows(o)
	if err != nil {
		return "", nil, err
	}
	params := p.params(c, streams)
	answer, sections, err := o.Answer(params)
	if err != nil {
		return "", nil, err
	}
	if err := p.adopt(o, c, isNew); err != nil {
		return "", nil, err
	}
	if f := o.NodeFragment(); f.MID != "" {
		d.fragment = f
	}
	d.before, d.last, d.version = before, o.AsPrior(), params.Version
	return answer, sections, nil
}

// credentialFor returns the credential to answer the offer with, if the offer may be answered.
func (p *Peer) credentialFor(o *negotiate.Offer) (c *credential, isNew bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return nil, false, ErrClosed
	}
	prints := o.Fingerprints()
	if p.secure.stated != nil && len(prints) > 0 && !slices.Equal(prints, p.secure.stated) {
		return nil, false, ErrOtherClient
	}
	ufrag, _ := o.ICE()
	c, isNew = p.currentLocked(ufrag)
	return c, isNew, nil
}

// adopt makes an answered offer the one that counts.
func (p *Peer) adopt(o *negotiate.Offer, c *credential, isNew bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return ErrClosed
	}
	if isNew {
		ufrag, pwd := o.ICE()
		if err := p.registerLocked(c, strings.Clone(ufrag), pwd); err != nil {
			return err
		}
	}
	if p.secure.stated == nil {
		p.secure.stated, p.secure.client = o.Fingerprints(), o.NodeActive()
		p.sdp.role = negotiate.RolePassive
		if p.secure.client {
			p.sdp.role = negotiate.RoleActive
		}
	}
	if o.HasData() && !p.data.started {
		p.data.allowed, p.data.maxSend = true, o.MaxMessageSize()
	}
	return nil
}

// RestartICE takes new credentials of the client, as WHIP and WHEP send them by PATCH, and returns the node's
// as an SDP fragment. The same credentials as before change nothing and get the same answer.
func (p *Peer) RestartICE(ufrag, pwd string) (string, error) {
	p.sdp.mu.Lock()
	defer p.sdp.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() {
		return "", ErrClosed
	}
	if len(p.ice.creds) == 0 {
		return "", errors.New("no offer yet")
	}
	c, isNew := p.currentLocked(ufrag)
	if isNew {
		if err := p.registerLocked(c, ufrag, pwd); err != nil {
			return "", err
		}
	}
	f := p.sdp.fragment
	f.UFrag, f.Pwd, f.Candidates = c.ufrag, c.pwd, p.ep.Candidates()
	return f.Marshal(), nil
}

// currentLocked returns the credential that answers the client's ufrag: the newest one, or a new one, not yet
// registered, if the client has begun anew.
func (p *Peer) currentLocked(remote string) (c *credential, isNew bool) {
	if n := len(p.ice.creds); n > 0 && (remote == p.ice.remote || remote == "") {
		return p.ice.creds[n-1], false
	}
	c = &credential{peer: p, ufrag: randomText(9), pwd: randomText(24), gen: p.ice.gen + 1}
	c.key = stun.NewShortTermIntegrity(c.pwd)
	return c, true
}

// registerLocked makes a credential valid beside the one in use, with the client's user name and password. It
// removes the credentials of a restart that never came to a nomination.
func (p *Peer) registerLocked(c *credential, remote, pwd string) error {
	c.setRemote(remote, pwd)
	if !p.ep.table.addCredential(c) {
		return errors.New("ICE user name is taken") // 72 random bits
	}
	p.ice.creds = slices.DeleteFunc(p.ice.creds, func(old *credential) bool {
		stale := old.gen != p.ice.nominatedGen
		if stale {
			p.ep.table.removeCredential(old)
		}
		return stale
	})
	p.ice.creds = append(p.ice.creds, c)
	p.ice.gen, p.ice.remote = c.gen, remote
	if !p.connected {
		p.since = time.Now()
	}
	return nil
}

// follows checks an offer against the last one. For a client that took its last offer back, it checks against
// the one before. It returns the sections that the offer does follow.
func (d *sdpState) follows(o *negotiate.Offer) (before []negotiate.PriorSection, err error) {
	before = d.last
	if err := o.Follows(before); err != nil {
		if before = d.before; o.Follows(before) != nil || before == nil {
			return nil, err
		}
	}
	seats := len(d.ssrcs)
	for _, s := range o.Sections() {
		if _, known := d.ssrcs[s.MID]; !known && s.Active && !s.Publish {
			seats++
		}
	}
	if seats > maxSeats {
		return nil, &negotiate.Error{Field: "mid", Text: fmt.Sprintf(
			"more than %d receiving sections on one connection, stopped ones included: use their mids again, or connect anew", maxSeats)}
	}
	return before, nil
}

func (p *Peer) params(c *credential, streams map[string]string) negotiate.Params {
	d := &p.sdp
	if d.id == 0 {
		d.id = uint64(randomUint32())<<31 | uint64(randomUint32()) | 1
		d.ssrcs, d.used = map[string][2]uint32{}, map[uint32]bool{0: true}
	}
	return negotiate.Params{
		UFrag: c.ufrag, Pwd: c.pwd, Fingerprint: p.identity.fingerprint, Role: d.role, Candidates: p.ep.Candidates(),
		SSRC: d.ssrcOf, Streams: streams, CNAME: fmt.Sprintf("parlor-%d", p.id), SessionID: d.id, Version: d.version + 1,
	}
}

// ssrcOf returns the node's own SSRCs for a section, the same ones at every offer.
func (d *sdpState) ssrcOf(mid string, _ packet.Kind) (ssrc, rtx uint32) {
	pair, ok := d.ssrcs[mid]
	if !ok {
		pair = [2]uint32{d.newSSRC(), d.newSSRC()}
		d.ssrcs[strings.Clone(mid)] = pair
	}
	return pair[0], pair[1]
}

func (d *sdpState) newSSRC() uint32 {
	for {
		if s := randomUint32(); !d.used[s] {
			d.used[s] = true
			return s
		}
	}
}

// randomText returns n random bytes in letters that ICE allows (RFC 8839, section 5.4).
func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return base64.RawStdEncoding.EncodeToString(b)
}

func randomUint32() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint32(b[:])
}
