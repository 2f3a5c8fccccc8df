package negotiate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"parlor/packet"
)

// extmap is a header extension that the node takes.
type extmap struct {
	id  uint8
	uri string
	dir string // of the answer: "", "/sendonly" or "/recvonly"
}

// extensionField returns where the id of an extension stands, or nil if the node does not take the extension.
func extensionField(uri string, e *packet.Extensions) *uint8 {
	switch uri {
	case "urn:ietf:params:rtp-hdrext:sdes:mid":
		return &e.MID
	case "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id":
		return &e.RID
	case "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id":
		return &e.RepairedRID
	case "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time":
		return &e.AbsSendTime
	case "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01":
		return &e.TransportCC
	case "urn:ietf:params:rtp-hdrext:ssrc-audio-level":
		return &e.AudioLevel
	case "urn:3gpp:video-orientation":
		return &e.VideoOrientation
	case "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay":
		return &e.PlayoutDelay
	case "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension":
		return &e.DependencyDescriptor
	}
	return nil
}

// extensions returns the agreed ids.
func (s *section) extensions() packet.Extensions {
	var e packet.Extensions
	for _, x := range s.extmaps {
		*extensionField(x.uri, &e) = x.id
	}
	return e
}

// parseExtensions takes the extensions that the node knows and that can travel in the direction of the
// section. RID is taken in seats too, though the node never sends it there. Chromium carries what an answer
// refused over into its next offers, and a camera started later could then not be offered in layers. Ids
// above 14 need two-byte headers, and are taken only if the client allows mixing them. Of two extensions
// under one id the first is taken.
func (s *section) parseExtensions(values []string) *Error {
	var have packet.Extensions
	ids := map[uint8]bool{}
	for _, l := range values {
		f := strings.Fields(l)
		if len(f) < 2 {
			return s.faultIn("extmap", l, "must be <id> <URI>")
		}
		num, dir, _ := strings.Cut(f[0], "/")
		id, err := strconv.ParseUint(num, 10, 16)
		if err != nil || id == 0 {
			return s.faultIn("extmap", l, fmt.Sprintf("%.20q is no id", num))
		}
		field := extensionField(f[1], &have)
		answer, usable := s.extensionDirection(dir)
		if field == nil || *field != 0 || !usable || id > 255 || id > 14 && !s.allowMixed || ids[uint8(id)] {
			continue
		}
		ids[uint8(id)] = true
		*field = uint8(id)
		s.extmaps = append(s.extmaps, extmap{id: uint8(id), uri: f[1], dir: answer})
	}
	s.matchTransportCC()
	return nil
}

// dropExtensions leaves out an extension if its id means another one in an earlier section of the bundle
// (RFC 9143 §9.1). It notes the others in seen. An extension that is not answered is not sent (RFC 8285 §6).
func (s *section) dropExtensions(seen map[uint8]string) {
	s.extmaps = slices.DeleteFunc(s.extmaps, func(x extmap) bool {
		was, ok := seen[x.id]
		if !ok {
			seen[x.id] = x.uri
		}
		return ok && was != x.uri
	})
	s.matchTransportCC()
}

// matchTransportCC keeps transport-cc feedback only if its extension is there too.
func (s *section) matchTransportCC() {
	if s.extensions().TransportCC != 0 {
		return
	}
	for i := range s.codecs {
		s.codecs[i].TransportCC = false
	}
}

// extensionDirection mirrors the direction that the client gave an extension. ok is false if it then would
// never be used in this section.
func (s *section) extensionDirection(client string) (answer string, ok bool) {
	switch client {
	case "", "sendrecv":
		return "", true
	case "sendonly":
		return "/recvonly", s.dir != recvonly
	case "recvonly":
		return "/sendonly", !s.dir.sends()
	}
	return "", false
}
