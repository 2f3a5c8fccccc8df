package codec

import "encoding/binary"

// av1 reads the aggregation header (AV1 RTP specification section 4.4), or the dependency descriptor if one
// came.
func (i *Info) av1(b, dd []byte) {
	const continues, newSequence = 0x80, 0x08
	i.Start = b[0]&continues == 0
	i.Keyframe = i.Start && b[0]&newSequence != 0
	if len(dd) >= 3 {
		i.Start = dd[0]&0x80 != 0
		i.Keyframe = i.Start && HasStructure(dd)
	}
}

// FrameNumber returns the frame number of a dependency descriptor of at least three bytes (AV1 RTP
// specification, appendix A.8.2).
func FrameNumber(dd []byte) uint16 { return binary.BigEndian.Uint16(dd[1:]) }

// HasStructure says whether a dependency descriptor brings the template structure that those after it refer
// to. It comes with a keyframe.
func HasStructure(dd []byte) bool { return len(dd) > 3 && dd[3]&0x80 != 0 }
