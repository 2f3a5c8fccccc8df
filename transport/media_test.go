package transport

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/rtp"
)

// sendDown sends n packets to the client from sequence number first on and returns their payloads.
func (k *call) sendDown(first uint16, n int) (sent [][]byte) {
	k.t.Helper()
	seat := k.seat()
	for i := range n {
		h := rtp.Header{
			Version: 2, PayloadType: seat.Codecs[0].PT, SSRC: seat.SSRC, SequenceNumber: first + uint16(i),
			Timestamp: uint32(i) * 3000, Marker: i%2 == 0,
		}
		head, err := h.Marshal()
		if err != nil {
			k.t.Fatal(err)
		}
		payload := make([]byte, 200+rand.IntN(900))
		for j := range payload {
			payload[j] = byte(rand.Uint32())
		}
		k.peer.SendRTP(head, payload)
		sent = append(sent, payload)
	}
	k.writer.Flush()
	return sent
}

// checkDown sends n packets and compares what the client reads. It sends no more at a time than the client's
// socket holds.
func (k *call) checkDown(first uint16, n int) {
	k.t.Helper()
	for n > 0 {
		part := min(n, 40)
		k.checkDownPart(first, part)
		first, n = first+uint16(part), n-part
	}
}

func (k *call) checkDownPart(first uint16, n int) {
	k.t.Helper()
	sent := k.sendDown(first, n)
	k.track()
	for i, want := range sent {
		p := k.readDown()
		if p.SequenceNumber != first+uint16(i) || !bytes.Equal(p.Payload, want) {
			k.t.Fatalf("packet %d: got sequence number %d and %d bytes, want %d and %d bytes",
				i, p.SequenceNumber, len(p.Payload), first+uint16(i), len(want))
		}
	}
}

// checkUp has the client send n packets and compares what the node reads.
func (k *call) checkUp(first uint16, n int) {
	k.t.Helper()
	for i := range n {
		payload := bytes.Repeat([]byte{byte(i)}, 100+i)
		var got rtp.Packet
		if err := got.Unmarshal(k.sendUp(first+uint16(i), payload)); err != nil {
			k.t.Fatal(err)
		}
		if got.SequenceNumber != first+uint16(i) || !bytes.Equal(got.Payload, payload) {
			k.t.Fatalf("packet %d: got sequence number %d and %d bytes", i, got.SequenceNumber, len(got.Payload))
		}
	}
}

// sendUp has the client send one packet and returns what comes out at the node. A client that has only just
// connected may not have bound its track yet and sends nothing: then it is asked again.
func (k *call) sendUp(seq uint16, payload []byte) (opened []byte) {
	k.t.Helper()
	eventually(k.t, "RTP at the node", func() bool {
		if err := k.up.WriteRTP(&rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: seq}, Payload: payload}); err != nil {
			k.t.Fatal(err)
		}
		select {
		case opened = <-k.box.rtp:
			return true
		case <-time.After(100 * time.Millisecond):
			return false
		}
	})
	return opened
}

// checkRTCP exchanges RTCP in both directions.
func (k *call) checkRTCP() {
	k.t.Helper()
	pli := &rtcp.PictureLossIndication{SenderSSRC: 7, MediaSSRC: 4711}
	if err := k.pc.WriteRTCP([]rtcp.Packet{pli}); err != nil {
		k.t.Fatal(err)
	}
	eventually(k.t, "PLI at the node", func() bool {
		list, err := rtcp.Unmarshal(wait(k.t, "RTCP at the node", k.box.rtcp))
		if err != nil {
			k.t.Fatal(err)
		}
		got, ok := list[0].(*rtcp.PictureLossIndication)
		return ok && *got == *pli
	})
}

func TestMediaBothWays(t *testing.T) {
	k := dial(t, start(t, Options{}), clientOptions{})
	k.checkUp(65530, 20)
	k.checkDown(100, 150)
	k.checkRTCP()
	if k.peer.LastHeard().IsZero() {
		t.Error("LastHeard is zero after media")
	}
}
