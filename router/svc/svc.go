// Package svc reads how the frames of one RTP stream with spatial and temporal layers inside depend on each
// other. It decides which of them a receiver gets.
//
// If the dependency descriptor comes, it says so, whatever the codec and even if the payload is encrypted
// (AV1 RTP specification, appendix A: https://aomediacodec.github.io/av1-rtp-spec/). Else the payload
// descriptor of VP9 does (RFC 9628 section 4.2).
//
//	svc.go         Layer, Frame
//	structure.go   Structure: the templates to which frames refer
//	descriptor.go  Reader: dependency descriptors
//	vp9.go         payload descriptors of VP9
//	filter.go      Filter: the frames for one receiver
//	window.go      what became of the latest frames
//
// What is to be decoded together is a decode target: all up to a spatial and a temporal layer. For each
// target a frame says three things. It says whether it belongs to the target, and whether others of the
// target refer to it. It also says whether a decoder that has the frame can go on with the target from there.
package svc

import "math/bits"

// Bounds of what is read. More is refused: nobody sends it.
const (
	MaxTargets   = 32 // by the width of their number
	maxTemplates = 64 // likewise
	maxRefs      = 8  // AV1 has 7 references
)

// More layers than there can be: all of them.
const (
	AllSpatial  = 4
	AllTemporal = 8
)

// Layer is a spatial layer and the temporal layers of it up to one.
type Layer struct{ Spatial, Temporal uint8 }

// within says whether all of a layer is part of another one.
func (l Layer) within(of Layer) bool { return l.Spatial <= of.Spatial && l.Temporal <= of.Temporal }

// above says whether l is to be preferred if both can be had: sharper pictures, then more of them.
func (l Layer) above(o Layer) bool {
	return l.Spatial > o.Spatial || l.Spatial == o.Spatial && l.Temporal > o.Temporal
}

// targets is a set of decode targets, a bit for each.
type targets uint32

// Frame is what a packet says of the frame of which it is a part. Frame here is one spatial layer of a
// picture.
type Frame struct {
	In     *Structure // nil: nothing is known, and the rest means nothing
	Layer             // of the frame alone
	Number uint16
	Begins bool // the first packet of the frame
	Ends   bool // the last one

	present  targets // of which it is a part
	needed   targets // of those, in which others refer to it
	switches targets // of those, which go on from it
	active   targets // which are being sent at all
	refs     refs
	chains   [MaxTargets]uint8 // how many frames ago the one before in each chain was; 0: a chain begins
}

// Of says whether the frame belongs to a decode target.
func (f *Frame) Of(target int) bool { return f.present>>target&1 != 0 }

// Discardable says whether no other frame refers to it.
func (f *Frame) Discardable() bool { return f.needed == 0 }

// SwitchUp says whether a decoder that has the frame can go on with all higher temporal layers of its spatial
// layer.
func (f *Frame) SwitchUp() bool {
	for set := f.present &^ f.switches; set != 0; set &= set - 1 {
		if l := f.In.layers[bits.TrailingZeros32(uint32(set))]; l.Spatial == f.Spatial && l.Temporal > f.Temporal {
			return false
		}
	}
	return f.needed != 0
}

// refs are distances to the frames to which one refers.
type refs struct {
	n    uint8
	back [maxRefs]uint16
}

func (r *refs) add(back uint16) bool {
	if int(r.n) == len(r.back) {
		return false
	}
	r.back[r.n] = back
	r.n++
	return true
}
