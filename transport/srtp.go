package transport

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
	"github.com/pion/transport/v5/replaydetector"
)

// replayWindow is how many packets behind the newest one may still come, per SSRC. Raising it takes memory (a
// bit each) and lets later retransmissions on the original SSRC in. RFC 3711 asks for 64 at least.
const replayWindow = 1024

// srtpProfiles are in the order of preference: AES-128-GCM costs a seventh of AES-CM with HMAC-SHA1.
var srtpProfiles = []struct {
	dtls dtls.SRTPProtectionProfile
	srtp srtp.ProtectionProfile
}{
	{dtls.SRTP_AEAD_AES_128_GCM, srtp.ProtectionProfileAeadAes128Gcm},
	{dtls.SRTP_AEAD_AES_256_GCM, srtp.ProtectionProfileAeadAes256Gcm},
	{dtls.SRTP_AES128_CM_HMAC_SHA1_80, srtp.ProtectionProfileAes128CmHmacSha1_80},
}

// receiver opens the SRTP and SRTCP of one peer. Its packets usually come to one reader, but to two when the
// client's address changes. Hence the lock, which is taken once for a run of packets.
type receiver struct {
	mu       sync.Mutex
	ctx      *srtp.Context // nil: not before the handshake is done nor after Close
	tail     int           // bytes of tag behind the index of an SRTCP packet
	replayed bool          // set by the replay detectors: the packet just refused was a replay
	lastSSRC uint32
	last     *source            // of lastSSRC
	ssrcs    map[uint32]*source // authenticated ones; each costs a replay window, so there is a limit
}

// source is the newest that has come of an SSRC. The first packet of one is not newer than anything.
type source struct {
	seq  uint16 // of SRTP
	rtp  bool   // seq is set
	rtcp uint32 // index of SRTCP, and 1; 0: none
}

// follow takes notice of the index of an authentic packet and says whether it is newer than those before.
func (s *source) follow(isRTCP bool, index uint32) bool {
	if isRTCP {
		newer := s.rtcp != 0 && index+1 > s.rtcp
		s.rtcp = max(s.rtcp, index+1)
		return newer
	}
	ahead := int16(uint16(index) - s.seq)
	if s.rtp && ahead <= 0 {
		return false
	}
	newer := s.rtp
	s.seq, s.rtp = uint16(index), true
	return newer
}

// srtcpIndexAt returns where the index of an SRTCP packet of n bytes stands (RFC 3711 section 3.4, RFC 7714
// section 9.1).
func (r *receiver) srtcpIndexAt(n int) int { return n - 4 - r.tail }

// replayCheck notes a refusal for the receiver to see, because pion/srtp does not export its error for it.
type replayCheck struct {
	replaydetector.ReplayDetector
	fast    replaydetector.CheckAccepter
	refused *bool
}

func (c *replayCheck) CheckSeq(seq uint64) replaydetector.Token {
	t := c.fast.CheckSeq(seq)
	if !t.Passed() {
		*c.refused = true
	}
	return t
}

func (c *replayCheck) Accept(t replaydetector.Token) bool { return c.fast.Accept(t) }

func (r *receiver) detector(maxIndex uint64) func() replaydetector.ReplayDetector {
	return func() replaydetector.ReplayDetector {
		d := replaydetector.New(replayWindow, maxIndex)
		fast, ok := d.(replaydetector.CheckAccepter)
		if !ok {
			return d
		}
		return &replayCheck{ReplayDetector: d, fast: fast, refused: &r.replayed}
	}
}

// setKeys gives the receiver its keys.
func (r *receiver) setKeys(k srtp.SessionKeys, profile srtp.ProtectionProfile) error {
	ctx, err := srtp.CreateContext(k.RemoteMasterKey, k.RemoteMasterSalt, profile,
		srtp.SRTPReplayDetectorFactory(r.detector(1<<48-1)), srtp.SRTCPReplayDetectorFactory(r.detector(1<<31-1)))
	if err != nil {
		return fmt.Errorf("receiving SRTP context: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ctx, r.ssrcs = ctx, map[uint32]*source{}
	if profile == srtp.ProtectionProfileAes128CmHmacSha1_80 {
		r.tail = 10
	}
	return nil
}

// proven says whether the client has shown that it has the keys.
func (r *receiver) proven() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.ssrcs) > 0
}

func (r *receiver) close() {
	r.mu.Lock()
	r.ctx, r.ssrcs, r.last = nil, nil, nil
	r.mu.Unlock()
}

// openLocked decrypts b in place and returns the plain packet, or the reason why not. s.newer says whether
// the packet was newer than all before it of its SSRC.
func (r *receiver) openLocked(b []byte, isRTCP bool, s *openScratch, limit int) (plain []byte, reason Drop, ok bool) {
	s.newer = false
	if r.ctx == nil {
		return nil, DropNotReady, false
	}
	if len(b) < 12 {
		return nil, DropMalformed, false
	}
	at := 8
	if isRTCP {
		at = 4
	}
	ssrc := binary.BigEndian.Uint32(b[at:])
	from := r.last
	if from == nil || ssrc != r.lastSSRC {
		from = r.ssrcs[ssrc]
	}
	if from == nil && len(r.ssrcs) >= limit {
		return nil, DropSSRCLimit, false
	}
	index := uint32(binary.BigEndian.Uint16(b[2:]))
	if isRTCP {
		if len(b) < 12+r.tail {
			return nil, DropMalformed, false
		}
		index = binary.BigEndian.Uint32(b[r.srtcpIndexAt(len(b)):]) &^ (1 << 31)
	}
	r.replayed = false
	var err error
	if isRTCP {
		plain, err = r.ctx.DecryptRTCP(b, b, &s.rtcp)
	} else {
		plain, err = r.ctx.DecryptRTP(b, b, &s.rtp)
	}
	if err != nil {
		return nil, r.reasonLocked(err), false
	}
	if from == nil {
		from = new(source)
		r.ssrcs[ssrc] = from
	}
	r.lastSSRC, r.last = ssrc, from
	s.newer = from.follow(isRTCP, index)
	return plain, 0, true
}

func (r *receiver) reasonLocked(err error) Drop {
	switch {
	case r.replayed:
		return DropReplayed
	case errors.Is(err, srtp.ErrFailedToVerifyAuthTag):
		return DropAuthFailed
	}
	return DropMalformed
}

// openScratch holds parsed headers between packets, to allocate nothing.
type openScratch struct {
	rtp   rtp.Header
	rtcp  rtcp.Header
	newer bool // the last one was newer than all before it of its SSRC
}

// exportKeys derives the SRTP keys from a finished handshake (RFC 5764, section 4.2).
func exportKeys(c *dtls.Conn, client bool) (srtp.SessionKeys, srtp.ProtectionProfile, error) {
	chosen, ok := c.SelectedSRTPProtectionProfile()
	if !ok {
		return srtp.SessionKeys{}, 0, fmt.Errorf("%w: no SRTP profile agreed on", ErrHandshake)
	}
	state, ok := c.ConnectionState()
	if !ok {
		return srtp.SessionKeys{}, 0, fmt.Errorf("%w: no connection state", ErrHandshake)
	}
	for _, p := range srtpProfiles {
		if p.dtls != chosen {
			continue
		}
		cfg := srtp.Config{Profile: p.srtp}
		if err := cfg.ExtractSessionKeysFromDTLS(&state, client); err != nil {
			return srtp.SessionKeys{}, 0, fmt.Errorf("%w: export keys: %w", ErrHandshake, err)
		}
		return cfg.Keys, p.srtp, nil
	}
	return srtp.SessionKeys{}, 0, fmt.Errorf("%w: unexpected SRTP profile %v", ErrHandshake, chosen)
}
