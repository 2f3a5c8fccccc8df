package client

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/logging"
	"github.com/pion/sdp/v3"
	"github.com/pion/webrtc/v4"
)

// Feedback is the set of interceptors that run in the client, and so of what its offers ask for. PLI and FIR
// need none and are always offered.
type Feedback uint8

// The interceptors. Without any, receiving is as lean as pion allows: lost packets are not asked for, and
// nothing is reported to the node.
const (
	NACK    Feedback = 1 << iota // ask for lost packets, answer such requests, offer RTX
	TWCC                         // transport-cc: report arrival times, number what is sent
	Reports                      // sender and receiver reports

	NoFeedback  Feedback = 0
	AllFeedback          = NACK | TWCC | Reports
)

// ParseFeedback reads "none", "all" or a list of "nack", "twcc" and "reports", separated by commas.
func ParseFeedback(s string) (Feedback, error) {
	var f Feedback
	for _, word := range strings.Split(s, ",") {
		switch strings.TrimSpace(word) {
		case "none":
		case "all":
			f |= AllFeedback
		case "nack":
			f |= NACK
		case "twcc":
			f |= TWCC
		case "reports":
			f |= Reports
		default:
			return 0, fmt.Errorf("feedback %q: want none, all, or some of nack,twcc,reports", word)
		}
	}
	return f, nil
}

// String is the inverse of ParseFeedback.
func (f Feedback) String() string {
	var words []string
	for i, w := range []string{"nack", "twcc", "reports"} {
		if f&(1<<i) != 0 {
			words = append(words, w)
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, ",")
}

// MarshalText implements encoding.TextMarshaler.
func (f Feedback) MarshalText() ([]byte, error) { return []byte(f.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (f *Feedback) UnmarshalText(text []byte) (err error) {
	*f, err = ParseFeedback(string(text))
	return err
}

// Media says how a client's PeerConnection is built. The zero value is the leanest one, with all codecs.
type Media struct {
	// Codecs are the video codecs offered, in order of preference: VP8, VP9, H264, AV1. Empty: all of them.
	// The first one is published. Opus is always offered.
	Codecs   []string
	Feedback Feedback
	// Profiles are the SRTP profiles offered, in order; empty: AEAD_AES_128_GCM, AEAD_AES_256_GCM,
	// AES128_CM_HMAC_SHA1_80.
	Profiles []dtls.SRTPProtectionProfile
	// Buffer is the size of the media socket's buffers in bytes, within net.core.rmem_max; 0: 1 MB.
	Buffer int
	// Sample lets the kernel drop all but one in Sample RTP packets of a stream, see Client.Sample. 0 and 1:
	// none.
	Sample int
	// Arrivals notes when the kernel took in each packet; nil: not noted.
	Arrivals *Arrivals
	// Local is the address to bind; the zero value: the one from which the node's HTTP address is reached.
	Local netip.Addr
	TCP   bool // connect by ICE-TCP; there is no socket then to size, sample or silence
	// Relay connects through the node's TURN servers and no other way; likewise.
	Relay bool
	// Logger is given to pion; nil: silence.
	Logger logging.LoggerFactory
}

const defaultBuffer = 1 << 20

var defaultProfiles = []dtls.SRTPProtectionProfile{
	dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80,
}

// videoCodecs are in the order in which they are offered by default. The payload type of a codec's RTX is one
// more.
var videoCodecs = []struct {
	name, mime, fmtp string
	pt               webrtc.PayloadType
}{
	{"VP8", webrtc.MimeTypeVP8, "", 96},
	{"VP9", webrtc.MimeTypeVP9, "profile-id=0", 98},
	{"H264", webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", 102},
	{"AV1", webrtc.MimeTypeAV1, "level-idx=5;profile=0;tier=0", 104},
}

var opus = webrtc.RTPCodecParameters{
	RTPCodecCapability: webrtc.RTPCodecCapability{
		MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
	},
	PayloadType: 111,
}

// names returns the codecs to offer.
func (m Media) names() []string {
	if len(m.Codecs) > 0 {
		return m.Codecs
	}
	var all []string
	for _, c := range videoCodecs {
		all = append(all, c.name)
	}
	return all
}

// capability returns what TrackLocals of a kind are made of.
func (m Media) capability(audio bool) webrtc.RTPCodecCapability {
	if audio {
		return opus.RTPCodecCapability
	}
	for _, c := range videoCodecs {
		if c.name == m.names()[0] {
			return webrtc.RTPCodecCapability{MimeType: c.mime, ClockRate: 90000, SDPFmtpLine: c.fmtp}
		}
	}
	return webrtc.RTPCodecCapability{} // api has refused the name
}

// api builds the pion API of one client, for one socket (nil: ICE-TCP).
func (m Media) api(s *socket) (*webrtc.API, error) {
	engine, err := m.engine()
	if err != nil {
		return nil, err
	}
	registry, err := m.interceptors(engine)
	if err != nil {
		return nil, err
	}
	return webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(m.settings(s))), nil
}

func (m Media) settings(s *socket) webrtc.SettingEngine {
	se := webrtc.SettingEngine{LoggerFactory: m.Logger}
	if m.Logger == nil {
		quiet := logging.NewDefaultLoggerFactory()
		quiet.DefaultLogLevel = logging.LogLevelDisabled
		se.LoggerFactory = quiet
	}
	profiles := m.Profiles
	if len(profiles) == 0 {
		profiles = defaultProfiles
	}
	se.SetSRTPProtectionProfiles(profiles...)
	se.SetIncludeLoopbackCandidate(true)
	se.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	switch {
	case m.Relay:
		return se
	case s == nil:
		se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeTCP4, webrtc.NetworkTypeTCP6})
		return se
	case s.conn.LocalAddr().(*net.UDPAddr).IP.To4() != nil:
		se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	default:
		se.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP6})
	}
	se.DisableActiveTCP(true)
	se.SetICEUDPMux(s)
	return se
}

func (m Media) engine() (*webrtc.MediaEngine, error) {
	e := &webrtc.MediaEngine{}
	if err := e.RegisterCodec(opus, webrtc.RTPCodecTypeAudio); err != nil {
		return nil, fmt.Errorf("register opus: %w", err)
	}
	for _, name := range m.names() {
		if err := m.registerVideo(e, name); err != nil {
			return nil, err
		}
	}
	for _, uri := range []string{sdp.SDESMidURI, sdp.SDESRTPStreamIDURI, sdp.SDESRepairRTPStreamIDURI} {
		if err := e.RegisterHeaderExtension(webrtc.RTPHeaderExtensionCapability{URI: uri}, webrtc.RTPCodecTypeVideo); err != nil {
			return nil, fmt.Errorf("register %s: %w", uri, err)
		}
	}
	return e, nil
}

func (m Media) registerVideo(e *webrtc.MediaEngine, name string) error {
	for _, c := range videoCodecs {
		if c.name != name {
			continue
		}
		p := webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: c.mime, ClockRate: 90000, SDPFmtpLine: c.fmtp,
			RTCPFeedback: []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack", Parameter: "pli"}},
		}, PayloadType: c.pt}
		if err := e.RegisterCodec(p, webrtc.RTPCodecTypeVideo); err != nil {
			return fmt.Errorf("register %s: %w", name, err)
		}
		if m.Feedback&NACK == 0 {
			return nil
		}
		rtx := webrtc.RTPCodecParameters{RTPCodecCapability: webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: fmt.Sprintf("apt=%d", c.pt),
		}, PayloadType: c.pt + 1}
		if err := e.RegisterCodec(rtx, webrtc.RTPCodecTypeVideo); err != nil {
			return fmt.Errorf("register RTX of %s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("codec %q: not one of VP8, VP9, H264, AV1", name)
}

// chain collects interceptors and the first error of their constructors.
type chain struct {
	interceptor.Registry
	err error
}

func (c *chain) add(f interceptor.Factory, err error) {
	if err != nil {
		if c.err == nil {
			c.err = fmt.Errorf("interceptor: %w", err)
		}
		return
	}
	c.Registry.Add(f)
}

func (m Media) interceptors(e *webrtc.MediaEngine) (*interceptor.Registry, error) {
	c := &chain{}
	if m.Feedback&NACK != 0 {
		e.RegisterFeedback(webrtc.RTCPFeedback{Type: "nack"}, webrtc.RTPCodecTypeVideo)
		c.add(nack.NewResponderInterceptor())
		c.add(nack.NewGeneratorInterceptor())
	}
	if m.Feedback&Reports != 0 {
		c.add(report.NewReceiverInterceptor())
		c.add(report.NewSenderInterceptor())
	}
	if m.Feedback&TWCC != 0 {
		for _, kind := range []webrtc.RTPCodecType{webrtc.RTPCodecTypeVideo, webrtc.RTPCodecTypeAudio} {
			e.RegisterFeedback(webrtc.RTCPFeedback{Type: webrtc.TypeRTCPFBTransportCC}, kind)
			ext := webrtc.RTPHeaderExtensionCapability{URI: sdp.TransportCCURI}
			if err := e.RegisterHeaderExtension(ext, kind); err != nil {
				return nil, fmt.Errorf("register transport-cc: %w", err)
			}
		}
		c.add(twcc.NewSenderInterceptor())
		c.add(twcc.NewHeaderExtensionInterceptor())
	}
	return &c.Registry, c.err
}
