package client

import (
	"fmt"
	"sync/atomic"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// Outgoing is one encoding that a client publishes: a source, or one simulcast layer of it. It outlives the
// PeerConnection when that is replaced.
type Outgoing struct {
	Source Source
	RID    string // empty: no simulcast

	track     *webrtc.TrackLocalStaticRTP
	keyframes chan struct{}
	tags      atomic.Pointer[tags]
}

// tags are the header extensions that tell the layers of a section apart (RFC 8852, RFC 9143).
type tags struct {
	midID, ridID uint8
	mid, rid     []byte
}

func newLayers(o Options, s Source) ([]*Outgoing, error) {
	rids := []string{""}
	if s == Camera && len(o.RIDs) > 0 {
		rids = o.RIDs
	}
	stream := o.User // one stream for a person, so that the sections belong together
	if s == Screen || s == ScreenAudio {
		stream += "-screen"
	}
	var layers []*Outgoing
	for _, rid := range rids {
		var opts []func(*webrtc.TrackLocalStaticRTP)
		if rid != "" {
			opts = append(opts, webrtc.WithRTPStreamID(rid))
		}
		t, err := webrtc.NewTrackLocalStaticRTP(o.Media.capability(s.Audio()), string(s), stream, opts...)
		if err != nil {
			return nil, fmt.Errorf("publish %s: %w", s, err)
		}
		layers = append(layers, &Outgoing{Source: s, RID: rid, track: t, keyframes: make(chan struct{}, 1)})
	}
	return layers, nil
}

// WriteRTP sends a packet; SSRC and payload type are filled in. Before the connection stands, the packet is
// dropped without an error. Nothing of the packet is kept or changed.
func (o *Outgoing) WriteRTP(p *rtp.Packet) error {
	t := o.tags.Load()
	if t == nil {
		return o.track.WriteRTP(p)
	}
	tagged := *p
	tagged.Extensions = append([]rtp.Extension(nil), p.Extensions...)
	if err := tagged.SetExtension(t.midID, t.mid); err != nil {
		return fmt.Errorf("tag packet: %w", err)
	}
	if err := tagged.SetExtension(t.ridID, t.rid); err != nil {
		return fmt.Errorf("tag packet: %w", err)
	}
	return o.track.WriteRTP(&tagged)
}

// Keyframes has an element when a keyframe was asked for (PLI, FIR) since it was last read.
func (o *Outgoing) Keyframes() <-chan struct{} { return o.keyframes }

// learn takes the extension ids from the answer.
func (o *Outgoing) learn(t *webrtc.RTPTransceiver) {
	if o.RID == "" {
		return
	}
	x := tags{mid: []byte(t.Mid()), rid: []byte(o.RID)}
	for _, e := range t.Sender().GetParameters().HeaderExtensions {
		switch e.URI {
		case sdp.SDESMidURI:
			x.midID = uint8(e.ID)
		case sdp.SDESRTPStreamIDURI:
			x.ridID = uint8(e.ID)
		}
	}
	if x.midID != 0 && x.ridID != 0 {
		o.tags.Store(&x)
	}
}

// readRTCP takes the requests of the node until the sender ends.
func (o *Outgoing) readRTCP(s *webrtc.RTPSender) {
	buf := make([]byte, 1500)
	for {
		n, err := o.read(s, buf)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			continue
		}
		for _, p := range packets {
			switch p.(type) {
			case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
				o.requestKeyframe()
			}
		}
	}
}

func (o *Outgoing) requestKeyframe() {
	select {
	case o.keyframes <- struct{}{}:
	default: // one is already waiting
	}
}

func (o *Outgoing) read(s *webrtc.RTPSender, buf []byte) (n int, err error) {
	if o.RID == "" {
		n, _, err = s.Read(buf)
	} else {
		n, _, err = s.ReadSimulcast(buf, o.RID)
	}
	return n, err
}
