package session

import (
	"errors"

	"parlor/router"
	"parlor/session/terms"
)

// Loudest is the user of a SeatRequest whose seat is to play whoever speaks loudest.
const Loudest = "*"

// place is one of the loudest: the n-th of so many. The zero place is none.
type place struct{ n, of int }

func (l place) want() router.Want { return router.Want{Track: router.Loudest(l.n, l.of)} }

// loudestLocked checks a request that the i-th seat play one of the loudest. placeLoudestLocked decides which
// one. media.mu is held.
func (p *participant) loudestLocked(q SeatRequest, i int) (occupant, error) {
	most := p.rooms.opts.Loudest
	switch {
	case most == 0:
		return occupant{}, terms.Errorf(terms.CodeBadRequest, "user", "this node does not choose the loudest")
	case q.Video != terms.NoSource:
		return occupant{}, terms.Errorf(terms.CodeBadRequest, "video", "a seat of the loudest has no video")
	case q.Audio != terms.Mic:
		return occupant{}, terms.Errorf(terms.CodeBadRequest, "audio", "a seat of the loudest has the audio mic")
	case p.media.seats[i].plan.Audio == "":
		return occupant{}, terms.Errorf(terms.CodeBadRequest, "seat", "the seat has no section for audio")
	}
	if err := p.granted().Need(terms.RightRecvAudio, "audio"); err != nil {
		return occupant{}, err
	}
	taken := 0
	for n, s := range p.media.seats {
		if n != i && s.show.place.of > 0 {
			taken++
		}
	}
	if taken >= most {
		return occupant{}, terms.Errorf(terms.CodeBadRequest, "seat", "%d seats of the loudest are all that there are", most)
	}
	return occupant{audio: terms.Mic, place: place{0, 1}}, nil
}

// placeLoudestLocked spreads the places of the loudest over p's seats that play them: each gets another
// place, of as many as there are such seats. So a user with few of them misses nobody who is louder. media.mu
// is held.
func (p *participant) placeLoudestLocked() (err error) {
	of, n := 0, 0
	for _, s := range p.media.seats {
		if s.show.place.of > 0 {
			of++
		}
	}
	for _, s := range p.media.seats {
		if s.show.place.of == 0 {
			continue
		}
		who := s.show
		who.place = place{n, of}
		err = errors.Join(err, p.showLocked(s, who))
		n++
	}
	return err
}

// crowded reports whether only the loudest are heard, since so many users in automatic seats have sound.
func (p *participant) crowded(there []occupant) bool {
	n := 0
	for _, o := range there {
		if o.audio != terms.NoSource {
			n++
		}
	}
	return p.rooms.opts.Loudest > 0 && n > p.rooms.opts.Loudest
}

// loudestSeatsLocked returns the place that each of p's seats plays in a crowded room: the first seats with
// sound have one each. media.mu is held.
func (p *participant) loudestSeatsLocked() []place {
	places := make([]place, len(p.media.seats))
	of := 0
	for _, s := range p.media.seats {
		if s.plan.Audio != "" && of < p.rooms.opts.Loudest {
			of++
		}
	}
	n := 0
	for i, s := range p.media.seats {
		if s.plan.Audio != "" && n < of {
			places[i] = place{n, of}
			n++
		}
	}
	return places
}
