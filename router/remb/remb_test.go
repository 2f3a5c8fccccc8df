package remb

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

func message(t testing.TB, rate float32, ssrcs ...uint32) []byte {
	t.Helper()
	raw, err := (&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: rate, SSRCs: ssrcs}).Marshal()
	require.NoError(t, err)
	return raw[12:]
}

func TestParse(t *testing.T) {
	for _, rate := range []float32{0, 1, 1000, 262143, 262144, 300e3, 5e6, 1 << 40} {
		m, ok := Parse(message(t, rate, 7, 9))
		require.True(t, ok)
		require.InEpsilon(t, float64(rate)+1, m.Rate+1, 1e-5)
		require.Equal(t, 2, m.Len())
		require.Equal(t, []uint32{7, 9}, []uint32{m.SSRC(0), m.SSRC(1)})
	}
	m, ok := Parse([]byte{'R', 'E', 'M', 'B', 0, 0xff, 0xff, 0xff})
	require.True(t, ok)
	require.InEpsilon(t, float64(1<<18-1)*(1<<63), m.Rate, 1e-9, "the most that can be said")
	for name, fci := range map[string][]byte{
		"empty": nil, "a name": []byte("REMB"), "short": []byte("REMB\x00\x00\x00"), "other": []byte("REMA\x00\x00\x00\x00"),
		"more SSRCs than there are": []byte("REMB\x02\x00\x00\x00\x00\x00\x00\x07"), "fewer": []byte("REMB\x00\x00\x00\x00\x00\x00\x00\x07"),
	} {
		_, ok := Parse(fci)
		require.False(t, ok, name)
	}
}

func TestParseAllocatesNothing(t *testing.T) {
	b := message(t, 1e6, make([]uint32, 255)...)
	require.Zero(t, testing.AllocsPerRun(10, func() {
		m, _ := Parse(b)
		_ = m.SSRC(m.Len() - 1)
	}))
}

// FuzzParse: a packet that pion can read is read the same way, and nothing is read beyond the end.
func FuzzParse(f *testing.F) {
	f.Add(message(f, 300e3, 1, 2))
	f.Add([]byte("REMB\x00\xff\xff\xff"))
	f.Add([]byte("REMB\xff\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, fci []byte) {
		m, ok := Parse(fci)
		for i := range m.Len() {
			m.SSRC(i)
		}
		if len(fci)%4 != 0 || len(fci) > 2000 {
			return
		}
		raw := binary.BigEndian.AppendUint16([]byte{0x8f, 206}, uint16(2+len(fci)/4))
		raw = append(append(raw, make([]byte, 8)...), fci...)
		var p rtcp.ReceiverEstimatedMaximumBitrate
		if p.Unmarshal(raw) != nil {
			return
		}
		require.True(t, ok)
		require.Equal(t, len(p.SSRCs), m.Len())
		if m.Rate > 0 && m.Rate < 1<<60 {
			require.InEpsilon(t, m.Rate, float64(p.Bitrate), 1e-4)
		}
	})
}
