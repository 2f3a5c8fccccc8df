package session

import (
	"errors"
	"slices"

	"parlor/session/terms"
)

// MaxSide bounds width and height of a Size: more than any screen has.
const MaxSide = 1 << 14

// Size is that of a picture where it is shown, in device pixels. One without area is not shown, and not sent.
type Size struct{ Width, Height int }

// SeatSize is the size at which a seat's video is shown from now on.
type SeatSize struct {
	Seat   string `json:"seat"`
	Width  int    `json:"width"` // as those of a Size
	Height int    `json:"height"`
}

// extent is what a Size comes to for the router. The zero extent is not known.
type extent struct {
	area   uint32 // in pixels
	hidden bool
}

func (z Size) extent() (extent, error) {
	for _, side := range [...]struct {
		field string
		n     int
	}{{"width", z.Width}, {"height", z.Height}} {
		if side.n < 0 || side.n > MaxSide {
			return extent{}, terms.Errorf(terms.CodeBadRequest, side.field, "%d is no %s in pixels: 0 to %d", side.n, side.field, MaxSide)
		}
	}
	area := uint32(z.Width) * uint32(z.Height)
	return extent{area, area == 0}, nil
}

// extent returns what the request says of the size.
func (q SeatRequest) extent() (extent, error) {
	if q.Size == nil {
		return extent{}, nil
	}
	return q.Size.extent()
}

// SetSizes says at which sizes the videos of seats are shown. Each comes in the lowest layer that covers its
// size, and not at all if it is not shown. A seat that nobody sits in forgets its size. Errors: bad_request,
// which changes nothing, and user_not_found.
func (s *Session) SetSizes(sizes []SeatSize) error {
	p := s.p
	p.media.mu.Lock()
	defer p.media.mu.Unlock()
	if p.media.closed {
		return errGone()
	}
	if len(sizes) > len(p.media.seats) {
		return terms.Errorf(terms.CodeBadRequest, "seats", "%d sizes are more than the %d seats that there are", len(sizes), len(p.media.seats))
	}
	seats, extents := make([]*seat, len(sizes)), make([]extent, len(sizes))
	for i, z := range sizes {
		n := slices.IndexFunc(p.media.seats, func(x *seat) bool { return x.plan.ID == z.Seat })
		if n < 0 {
			return terms.Errorf(terms.CodeBadRequest, "seats", "there is no seat %.64q", z.Seat)
		}
		var err error
		if extents[i], err = (Size{z.Width, z.Height}).extent(); err != nil {
			return err
		}
		seats[i] = p.media.seats[n]
	}
	var err error
	for i, x := range seats {
		if x.show.member == 0 {
			continue
		}
		x.show.extent = extents[i]
		err = errors.Join(err, p.watchLocked(x.plan.Video, x.show.picture()))
	}
	return err
}
