package transport

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pion/datachannel"
	"github.com/pion/dtls/v3"
	"github.com/pion/sctp"
	"golang.org/x/time/rate"
)

// channelBuffer is the size in bytes with which the buffer of a data channel starts. It grows with the
// messages.
const channelBuffer = 2048

// data is the SCTP side of a peer. Guarded by Peer.mu, but for gate.
type data struct {
	gate     gate
	allowed  bool // the offer has a data section
	wanted   bool // DTLS application data has come
	started  bool
	maxSend  uint64 // largest message that the client takes; 0: no limit
	channels map[string]*datachannel.DataChannel
	open     int
	unreset  int // streams that the node has refused or ended; the client may still hold them open
}

// maxUnreset bounds the streams of an association that the node may refuse or end, as a multiple of
// Limits.Channels. A stream takes memory until the client resets it as well (RFC 6525). An honest client does
// so, but nothing obliges it to. Beyond the bound the association ends: media goes on, and data channels need
// a new connection. Raising it costs about 900 bytes a stream.
const maxUnreset = 4

// errUnreset is the end of an association whose client opens streams without end.
var errUnreset = errors.New("too many streams opened beyond the limit or broken")

// sctpConn is the DTLS connection as the SCTP association sees it. The end of the association must not end
// DTLS, which the media needs.
type sctpConn struct {
	*dtls.Conn
	p *Peer
}

func (c sctpConn) Close() error { return c.SetReadDeadline(time.Now()) }

func (c sctpConn) Write(b []byte) (int, error) {
	g := &c.p.data.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		c.p.ep.count.drop(DropMessage)
		return len(b), nil // as good as lost on the way
	}
	return c.Conn.Write(b)
}

// gate lets a peer's SCTP packets out until it is shut.
type gate struct {
	mu   sync.Mutex // held over a write, which does not block
	shut bool
}

// EndMessages closes the way out of the data channels. When it returns, not one more SCTP packet is sent,
// even for a message that was sent before.
func (p *Peer) EndMessages() {
	g := &p.data.gate
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

// isShut reports whether EndMessages was called.
func (g *gate) isShut() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shut
}

// startDataLocked starts the association once, when it is needed. The association costs goroutines and memory
// that most peers do not use even if they negotiate it.
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
		sctp.WithNetConn(sctpConn{d, p}), sctp.WithLoggerFactory(noLogs),
		sctp.WithMaxReceiveBufferSize(uint32(4*p.ep.o.Limits.MessageSize)),
		sctp.WithMaxMessageSize(uint32(p.ep.o.Limits.MessageSize)),
	)
	if err != nil {
		return fmt.Errorf("SCTP handshake: %w", err)
	}
	defer a.Close()
	for {
		ch, err := datachannel.Accept(a, &datachannel.Config{LoggerFactory: noLogs})
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("open data channel: %w", err) // it begins without DATA_CHANNEL_OPEN
		}
		if !p.addChannel(ch) {
			p.ep.count.drop(DropMessage)
			_ = ch.Close()
			if !p.noteUnreset() {
				return errUnreset
			}
			continue
		}
		p.ep.work.Go(func() {
			ended := p.readChannel(ch)
			p.removeChannel(ch)
			if !ended && !p.noteUnreset() {
				_ = a.Close()
			}
		})
	}
}

// noteUnreset counts a stream that the node ends and says whether the association can go on.
func (p *Peer) noteUnreset() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.data.unreset++
	return p.data.unreset <= maxUnreset*p.ep.o.Limits.Channels
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

// readChannel delivers the messages of a channel until the channel ends or a message is too large. It reports
// whether the channel has ended.
func (p *Peer) readChannel(ch *datachannel.DataChannel) (ended bool) {
	limit := p.ep.o.Limits.MessageSize
	pace := rate.NewLimiter(rate.Limit(p.ep.o.Limits.MessageRate), 2*p.ep.o.Limits.MessageRate)
	buf := make([]byte, min(channelBuffer, limit))
	for {
		n, text, err := ch.ReadDataChannel(buf)
		switch {
		case errors.Is(err, io.ErrShortBuffer) && len(buf) < limit: // the message stays and is read again
			buf = make([]byte, min(2*len(buf), limit))
		case errors.Is(err, io.ErrShortBuffer):
			p.ep.count.drop(DropMessage)
			return false
		case err != nil || p.closed.Load():
			return true
		default:
			p.events.PeerMessage(p.id, Message{Label: ch.Label, Data: append([]byte(nil), buf[:n]...), Text: text})
			time.Sleep(pace.Reserve().Delay()) // meanwhile the client's own window fills
		}
	}
}

// SendMessage sends on the data channel that the client has opened under a label. It does not block. The
// error is ErrNoChannel, ErrNotConnected, ErrMessageSize, ErrBacklog, or one of the association. After Close
// and after EndMessages it is ErrClosed.
func (p *Peer) SendMessage(label string, b []byte, text bool) error {
	p.mu.Lock()
	ch, limit, connected := p.data.channels[label], p.data.maxSend, p.connected
	p.mu.Unlock()
	switch {
	case p.closed.Load() || p.data.gate.isShut():
		return ErrClosed
	case ch == nil:
		return ErrNoChannel // the usual case, so it costs nothing
	case !connected:
		return ErrNotConnected
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
