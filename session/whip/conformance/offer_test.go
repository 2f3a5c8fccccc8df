package conformance

import "strings"

const fingerprint = "4E:7F:77:DB:7E:A3:A6:4E:5D:27:EB:39:D2:1B:96:9F:91:C9:58:8B:30:B4:AA:0F:77:60:5A:F3:86:60:03:F3"

const head = "v=0\r\no=- 5228595038118931041 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\n" +
	"a=ice-options:trickle ice2\r\n"

const transportLines = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 " + fingerprint + "\r\na=setup:actpass\r\n"

const audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n" + transportLines +
	"a=mid:0\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=DIRECTION\r\na=msid:- d46fb922\r\na=rtcp-mux\r\na=rtcp-mux-only\r\n" +
	"a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n"

// video is a section as the max-bundle policy makes it: without a port of its own.
const video = "m=video 0 UDP/TLS/RTP/SAVPF 96 97\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=mid:1\r\na=bundle-only\r\n" + transportLines +
	"a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\na=DIRECTION\r\n" +
	"a=msid:- d46fb922\r\na=rtcp-mux\r\na=rtcp-mux-only\r\na=rtcp-rsize\r\na=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 ccm fir\r\na=rtcp-fb:96 nack\r\n" +
	"a=rtcp-fb:96 nack pli\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"

// offer is the offer of RFC 9725 §4.2, changed by pairs of old and new texts.
func (p protocol) offer(changes ...string) string { return p.directed(p.offers, changes...) }

// directed is an offer of another direction; "": none is stated.
func (p protocol) directed(direction string, changes ...string) string {
	line := "a=" + direction + "\r\n"
	if direction == "" {
		line = ""
	}
	text := head + audio + video
	for i := 0; i < len(changes); i += 2 {
		text = strings.ReplaceAll(text, changes[i], changes[i+1])
	}
	return strings.ReplaceAll(text, "a=DIRECTION\r\n", line)
}

const candidates = "a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n" +
	"a=candidate:473322822 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active generation 0 ufrag EsAw network-id 1\r\n"

// trickle is the fragment of RFC 9725 §4.3.2.
func trickle(candidates string) string {
	return "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n" +
		candidates + "a=end-of-candidates\r\n"
}

// restart is the fragment of RFC 9725 §4.3.3, with these credentials.
func restart(ufrag string) string {
	return "a=ice-options:trickle ice2\r\na=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:" + ufrag + "\r\n" +
		"a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\n" + strings.ReplaceAll(candidates, "EsAw", ufrag)
}

// sections splits a description into its session level and its m= sections.
func sections(text string) []string { return strings.Split(text, "\r\nm=") }

// attribute returns the value of the first such attribute of a description or a part of one, and whether
// there is one.
func attribute(text, key string) (string, bool) {
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "a="+key {
			return "", true
		}
		if v, ok := strings.CutPrefix(line, "a="+key+":"); ok {
			return v, true
		}
	}
	return "", false
}
