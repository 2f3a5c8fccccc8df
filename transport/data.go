package transport

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
)

// channelBuffer is the size in bytes with which the buffer of a data channel starts; it grows with the messages.
const channelBuffer = 2048

// data is the SCTP side of a peer. Guarded by Peer.mu.
type data struct {
	allowed  bool // the offer has a data section
	wanted   bool // DTLS application data has come
	started  bool
	maxSend  uint64 // largest message that the client takes; 0: not stated
	channels map[string]*datachannel.DataChannel
	open     int
}

// sctpConn is the DTLS connection as the SCTP association sees it: the end of the association must not end DTLS, which the
// media needs.
type sctpConn struct{ *dtls.Conn }

func (c sctpConn) Close() error { return c.SetReadDeadline(time.Now()) }

// startDataLocked starts the association once, when it is needed: it costs goroutines and memory that most peers do not
// use even when they negotiate it.
func (p *Peer) startDataLocked() {
	if p.data.started || !p.data.wanted || !p.data.allowed || !p.secure.keyed {
		return
	}
	p.data.started = true
	d := p.secure.dtls
	p.ep.work.Go(func() {
		err := p.runData(d)
		p.ep.log.Debug().Uint64("peer", uint64(p.id)).AnErr("cause", err).Msg("SCTP association ended")
		p.mu.Lock()
		p.data.allowed = false // nobody reads application data any more
		p.mu.Unlock()
	})
}

// runData serves the association until it or the peer ends. The client opens it and its channels.
func (p *Peer) runData(d *dtls.Conn) error {
	a, err := sctp.ServerWithOptions(
		sctp.WithNetConn(sctpConn{d}), sctp.WithLoggerFactory(quiet),
		sctp.WithMaxReceiveBufferSize(uint32(4*p.ep.o.Limits.MessageSize)),
		sctp.WithMaxMessageSize(uint32(p.ep.o.Limits.MessageSize)),
	)
	if err != nil {
		return fmt.Errorf("SCTP handshake: %w", err)
	}
	defer a.Close()
	for {
		ch, err := datachannel.Accept(a, &datachannel.Config{LoggerFactory: quiet})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open data channel: %w", err) // a stream that does not begin with DATA_CHANNEL_OPEN
		}
		if !p.addChannel(ch) {
			p.ep.count.drop(DropMessage)
			_ = ch.Close()
			continue
		}
		p.ep.work.Go(func() {
			p.readChannel(ch)
			p.removeChannel(ch)
		})
	}
}

func (p *Peer) addChannel(ch *datachannel.DataChannel) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.goneLocked() || p.data.open >= p.ep.o.Limits.Channels {
		return false
	}
	if p.data.channels == nil {
		p.data.channels = map[string]*datachannel.DataChannel{}
	}
	p.data.open++
	p.data.channels[ch.Label] = ch
	return true
}

func (p *Peer) removeChannel(ch *datachannel.DataChannel) {
	_ = ch.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data.open--
	if p.data.channels[ch.Label] == ch {
		delete(p.data.channels, ch.Label)
	}
}

// readChannel delivers the messages of a channel until it ends, or until one is too large.
func (p *Peer) readChannel(ch *datachannel.DataChannel) {
	limit := p.ep.o.Limits.MessageSize
	buf := make([]byte, min(channelBuffer, limit))
	for {
		n, text, err := ch.ReadDataChannel(buf)
		switch {
		case errors.Is(err, io.ErrShortBuffer) && len(buf) < limit: // the message stays and is read again
			buf = make([]byte, min(2*len(buf), limit))
		case errors.Is(err, io.ErrShortBuffer):
			p.ep.count.drop(DropMessage)
			return
		case err != nil || p.closed.Load():
			return
		default:
			p.events.PeerMessage(p.id, Message{Label: ch.Label, Data: append([]byte(nil), buf[:n]...), Text: text})
		}
	}
}

// SendMessage sends on the data channel that the client has opened under a label. It does not block; the error is
// ErrNoChannel, ErrMessageSize, ErrBacklog, or of the association.
func (p *Peer) SendMessage(label string, b []byte, text bool) error {
	p.mu.Lock()
	ch, limit := p.data.channels[label], p.data.maxSend
	p.mu.Unlock()
	switch {
	case p.closed.Load():
		return ErrClosed
	case ch == nil:
		return fmt.Errorf("%w: %q", ErrNoChannel, label)
	case len(b) > p.ep.o.Limits.MessageSize || limit > 0 && uint64(len(b)) > limit:
		return fmt.Errorf("%w: %d bytes", ErrMessageSize, len(b))
	case ch.BufferedAmount()+uint64(len(b)) > uint64(p.ep.o.Limits.DataBacklog):
		return ErrBacklog
	}
	if _, err := ch.WriteDataChannel(b, text); err != nil {
		return fmt.Errorf("send on data channel %q: %w", label, err)
	}
	return nil
}
