package whip

import (
	"fmt"
	"net/http"

	"parlor/packet"
	"parlor/session"
	"parlor/session/terms"
	"parlor/transport/negotiate"
)

// door is what a client comes for.
type door struct {
	name    string // of the path
	maxBody int64  // bytes of an offer
	role    terms.Role
	plays   bool // the client receives; otherwise it sends
	plan    func(sdp string, sections []negotiate.OfferedSection) (session.OfferPlan, error)
}

// maxPublishOffer bounds a WHIP offer, in bytes: browsers send 10 KB for a camera and a microphone. A WHEP
// offer may have many more sections.
const maxPublishOffer = 64 << 10

var (
	publish = door{name: "whip", maxBody: maxPublishOffer, role: terms.Anchor, plan: publishPlan}
	play    = door{name: "whep", maxBody: negotiate.MaxOfferSize, role: terms.Audience, plays: true, plan: playPlan}
)

// parse reads an offer. A section for both directions, as addTransceiver makes it by default, is one of the
// door's direction.
func (d door) parse(text string) (*negotiate.Offer, error) {
	if d.plays {
		return negotiate.ParsePlayer(text)
	}
	return negotiate.ParseOffer(text)
}

// unprocessable is an offer that is well formed and cannot be taken (RFC 9725 §4.4.2 and §4.4.3). WHEP has
// another use for 406: an offer of the server's own.
func unprocessable(format string, args ...any) *problem {
	return badRequest(http.StatusUnprocessableEntity, "sdp", format, args...)
}

// publishSources is what the sending sections of one kind are for, in order.
var publishSources = map[packet.Kind][]terms.Source{
	packet.Video: {terms.Camera, terms.Screen},
	packet.Audio: {terms.Mic, terms.ScreenAudio},
}

// publishPlan gives every sending section its source. A section that cannot be taken, or that receives, fails
// the whole: RFC 9725 §4.4.3 wants no half of what was asked for.
func publishPlan(sdp string, sections []negotiate.OfferedSection) (session.OfferPlan, error) {
	plan := session.OfferPlan{SDP: sdp, Publish: map[string]terms.Source{}}
	var n [packet.Video + 1]int
	for _, s := range sections {
		switch {
		case s.Receive:
			return plan, unprocessable("section %s receives (recvonly): a WHIP client only sends", s.MID)
		case s.Publish && s.Refused != "":
			return plan, unprocessable("section %s: %s", s.MID, s.Refused)
		}
		if !s.Publish || !s.Active {
			continue
		}
		choice := publishSources[s.Kind]
		if n[s.Kind] == len(choice) {
			return plan, unprocessable("more than %d %s sections that send", len(choice), s.Kind)
		}
		plan.Publish[s.MID] = choice[n[s.Kind]]
		n[s.Kind]++
	}
	if len(plan.Publish) == 0 {
		return plan, unprocessable("no section sends (sendonly)")
	}
	return plan, nil
}

// playPlan makes a seat of the n-th video and the n-th audio section that receive. What is left of the longer
// list are seats with video or audio alone.
func playPlan(sdp string, sections []negotiate.OfferedSection) (session.OfferPlan, error) {
	plan := session.OfferPlan{SDP: sdp, Player: true}
	var n [packet.Video + 1]int
	var refused string
	for _, s := range sections {
		if s.Refused != "" {
			refused = fmt.Sprintf("; section %s: %s", s.MID, s.Refused)
		}
		if s.Publish && (s.Active || s.Refused != "") {
			return plan, unprocessable("section %s sends (sendonly): a WHEP player only receives", s.MID)
		}
		if s.Publish || !s.Active {
			continue
		}
		if n[s.Kind] == len(plan.Seats) {
			plan.Seats = append(plan.Seats, session.SeatPlan{ID: fmt.Sprintf("seat-%d", len(plan.Seats)+1)})
		}
		seat := &plan.Seats[n[s.Kind]]
		if s.Kind == packet.Video {
			seat.Video = s.MID
		} else {
			seat.Audio = s.MID
		}
		n[s.Kind]++
	}
	if len(plan.Seats) == 0 {
		return plan, unprocessable("no section receives (recvonly) what the node sends%s", refused)
	}
	return plan, nil
}

// mayPublish checks the rights for a plan, so that a user without one of them has not entered.
func mayPublish(g terms.Grant, plan session.OfferPlan) error {
	if len(plan.Publish) > 0 && g.Role == terms.Audience {
		return terms.Errorf(terms.CodeNotAllowed, "role", "the token allows the role audience only")
	}
	for mid, source := range plan.Publish {
		right := terms.RightSendScreen
		switch source {
		case terms.Camera:
			right = terms.RightSendVideo
		case terms.Mic:
			right = terms.RightSendAudio
		}
		if !g.Rights.Has(right) {
			return terms.Errorf(terms.CodeNotAllowed, "sdp", "section %s is the %s, which needs the right %s", mid, source, right)
		}
	}
	return nil
}
