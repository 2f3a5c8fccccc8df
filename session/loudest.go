package session

import "parlor/router"

// Loudest is the user of a SeatRequest whose seat is to play whoever speaks loudest.
const Loudest = "*"

// place is one of the loudest: the n-th of so many. The zero place is none.
type place struct{ n, of int }

func (l place) want() router.Want { return router.Want{Track: router.Loudest(l.n, l.of)} }

// loudestLocked checks a request for one of the loudest, and returns which it is to be for the i-th seat. Each seat of a user that asks has
// another one; of those of one user all are of the same size of floor, the node's. media.mu is held.
func (p *participant) loudestLocked(q SeatRequest, i int) (occupant, error) {
	most := p.rooms.opts.Loudest
	switch {
	case most == 0:
		return occupant{}, Errorf(CodeBadRequest, "user", "this node does not choose the loudest")
	case q.Video != NoSource:
		return occupant{}, Errorf(CodeBadRequest, "video", "a seat of the loudest has no video")
	case q.Audio != Mic:
		return occupant{}, Errorf(CodeBadRequest, "audio", "a seat of the loudest has the audio mic")
	}
	if err := p.granted().need(RightRecvAudio, "audio"); err != nil {
		return occupant{}, err
	}
	taken := map[int]bool{}
	for n, s := range p.media.seats {
		if n != i && s.show.place.of > 0 {
			taken[s.show.place.n] = true
		}
	}
	for n := range most {
		if !taken[n] {
			return occupant{audio: Mic, place: place{n, most}}, nil
		}
	}
	return occupant{}, Errorf(CodeBadRequest, "seat", "%d seats of the loudest are all that there are", most)
}

// crowded says whether so many of those in automatic seats have sound that only the loudest are heard.
func (p *participant) crowded(there []occupant) bool {
	n := 0
	for _, o := range there {
		if o.audio != NoSource {
			n++
		}
	}
	return p.rooms.opts.Loudest > 0 && n > p.rooms.opts.Loudest
}

// loudestSeatsLocked returns the place that each of p's seats plays in a crowded room: the first seats with sound have one each.
// media.mu is held.
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
