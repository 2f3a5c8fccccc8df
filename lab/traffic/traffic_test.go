package traffic

import (
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/rtp/codecs"
	"github.com/stretchr/testify/require"
)

// frameAt is the time of a stream's i-th frame.
func frameAt(s Stream, i int) time.Duration { return time.Duration(i) * s.Interval() }

func TestVideoIsVP8(t *testing.T) {
	v := NewVideo(7, 1_000_000, 0)
	var seq uint64
	for i := range 100 {
		frame := v.Next(frameAt(v, i), i == 50)
		key := i == 0 || i == 50
		for k, p := range frame {
			raw, err := p.Marshal()
			require.NoError(t, err)
			require.Len(t, raw, PacketSize)
			require.Equal(t, k == len(frame)-1, p.Marker)
			require.Equal(t, uint16(seq), p.SequenceNumber)
			require.Equal(t, uint32(i*3000), (p.Timestamp+1)/3000*3000, "90 kHz, 30 frames per second")

			var d codecs.VP8Packet
			body, err := d.Unmarshal(p.Payload)
			require.NoError(t, err)
			require.Equal(t, k == 0, d.S == 1)
			require.Equal(t, k == 0, d.IsPartitionHead(p.Payload))
			require.Zero(t, d.PID)
			require.Equal(t, uint16(i), d.PictureID)
			require.Equal(t, uint8(i), d.TL0PICIDX)
			require.Zero(t, d.TID)
			require.Equal(t, key && k == 0, IsKeyframe(raw))
			if k == 0 {
				checkFrameHeader(t, body, key)
			}

			s, ok := Read(raw)
			require.True(t, ok)
			require.Equal(t, Stamp{Stream: 7, Seq: seq}, s)
			seq++
		}
	}
	require.Equal(t, seq, v.Count())
}

// checkFrameHeader reads RFC 6386, section 9.1.
func checkFrameHeader(t *testing.T, b []byte, key bool) {
	t.Helper()
	require.Equal(t, key, b[0]&1 == 0)
	require.Zero(t, b[0]>>1&7, "version")
	require.Equal(t, byte(1), b[0]>>4&1, "show_frame")
	require.NotZero(t, uint32(b[0])>>5|uint32(b[1])<<3|uint32(b[2])<<11, "size of the first partition")
	if key {
		require.Equal(t, []byte{0x9d, 0x01, 0x2a, width & 0xff, width >> 8, height & 0xff, height >> 8}, b[3:10])
	}
}

func TestVideoKeepsItsBitrate(t *testing.T) {
	for _, bitrate := range []int{500_000, 1_000_000, 2_500_000} {
		v := NewVideo(1, bitrate, 2*time.Second)
		const seconds = 20
		keys, largest := 0, 0
		for i := range seconds * fps {
			frame := v.Next(frameAt(v, i), false)
			raw, _ := frame[0].Marshal()
			if IsKeyframe(raw) {
				keys++
				largest = max(largest, len(frame))
			}
		}
		want := float64(bitrate) / 8 / PacketSize * seconds
		require.InEpsilon(t, want, float64(v.Count()), 0.02, "%d bit/s", bitrate)
		require.Equal(t, seconds/2, keys)
		require.InDelta(t, float64(bitrate)/8/PacketSize/fps*keyframeFactor, float64(largest), 0.5)
	}
}

func TestVideoWithoutRepeatedKeyframes(t *testing.T) {
	v := NewVideo(1, 300_000, 0)
	for i := range 1000 {
		raw, _ := v.Next(frameAt(v, i), false)[0].Marshal()
		require.Equal(t, i == 0, IsKeyframe(raw))
	}
}

func TestAudio(t *testing.T) {
	a := NewAudio(3)
	require.Equal(t, 50*a.Interval(), time.Second)
	for i := range 10 {
		frame := a.Next(frameAt(a, i), true)
		require.Len(t, frame, 1)
		require.Equal(t, uint32(i*960), frame[0].Timestamp)
		require.Equal(t, byte(opusTOC), frame[0].Payload[0])
		s, ok := Read(frame[0].Payload)
		require.True(t, ok)
		require.Equal(t, uint64(i), s.Seq)
	}
}

func TestStamp(t *testing.T) {
	p := make([]byte, 100)
	_, ok := Read(p)
	require.False(t, ok)
	_, ok = Read(p[:10])
	require.False(t, ok)
	Stamp{Stream: 1, Seq: 1 << 40}.put(p)
	now := time.Unix(5, 7)
	Sent(p, now)
	s, ok := Read(p)
	require.True(t, ok)
	require.Equal(t, Stamp{Stream: 1, Seq: 1 << 40, Sent: now.UnixNano()}, s)
}

// FuzzIsKeyframe checks our reading against pion's.
func FuzzIsKeyframe(f *testing.F) {
	v := NewVideo(1, 1_000_000, 0)
	for _, p := range append(v.Next(0, false), v.Next(time.Second, false)...) {
		f.Add(p.Payload[:40])
	}
	f.Add([]byte{0x90, 0xff, 0xff})
	f.Add([]byte{0x10})
	f.Fuzz(func(t *testing.T, payload []byte) {
		raw, _ := (&rtp.Packet{Header: rtp.Header{Version: 2}, Payload: payload}).Marshal()
		got := IsKeyframe(raw)
		var d codecs.VP8Packet
		body, err := d.Unmarshal(payload)
		want := err == nil && d.S == 1 && d.PID == 0 && len(body) > 0 && body[0]&1 == 0
		if got != want {
			t.Errorf("%x: %v, pion says %v", payload, got, want)
		}
	})
}
