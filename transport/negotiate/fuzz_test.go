package negotiate_test

import (
	"errors"
	"strings"
	"testing"

	"parlor/transport/negotiate"
)

// FuzzOffer checks that no offer panics, that every refusal is an *Error, and that every answer parses and
// matches its offer.
func FuzzOffer(f *testing.F) {
	for _, o := range offers(f) {
		f.Add(o)
	}
	f.Add(head + audio + video)
	f.Add(head + audio + video + "a=rid:a send pt=96\r\na=rid:b send\r\na=simulcast:send ~a,b\r\na=ssrc-group:FID 1 2\r\na=ssrc:1 cname:x\r\n")
	for _, o := range foreign {
		f.Add(o)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, parse := range []func(string) (*negotiate.Offer, error){negotiate.ParseOffer, negotiate.ParsePlayer} {
			requireSound(t, text, parse)
		}
	})
}

func requireSound(t *testing.T, text string, parse func(string) (*negotiate.Offer, error)) {
	o, err := parse(text)
	var e *negotiate.Error
	if err != nil {
		if !errors.As(err, &e) {
			t.Fatalf("not an *Error: %v", err)
		}
		return
	}
	a, sections, err := o.Answer(params())
	if err != nil {
		t.Fatalf("parsed, but not answered: %v", err)
	}
	requireMatches(t, text, a)
	if len(sections) != len(o.Sections()) {
		t.Fatalf("%d sections, %d in the offer", len(sections), len(o.Sections()))
	}
	for i, s := range sections {
		if s.Active && len(s.Codecs) == 0 {
			t.Fatalf("section %d is active without a codec", i)
		}
	}
}

// FuzzFragment checks that no fragment panics and that what is accepted is usable.
func FuzzFragment(f *testing.F) {
	f.Add(trickled)
	node := negotiate.NodeFragment{
		ICEOptions: "trickle ice2", Bundle: "0 1", MediaLine: "audio 9 UDP/TLS/RTP/SAVPF 111", MID: "0",
		UFrag: "nodeufrag", Pwd: "nodepassword0123456789ab", Candidates: params().Candidates,
	}
	f.Add(node.Marshal())
	f.Add(strings.ReplaceAll(trickled, "\r\n", "\r") + "\x00")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := negotiate.ParseFragment(text)
		var e *negotiate.Error
		if err != nil {
			if !errors.As(err, &e) {
				t.Fatalf("not an *Error: %v", err)
			}
			return
		}
		if (got.UFrag == "") != (got.Pwd == "") {
			t.Fatalf("half of the credentials: %+v", got)
		}
	})
}
