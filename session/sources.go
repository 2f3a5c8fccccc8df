package session

import (
	"parlor/packet"
	"parlor/router"
)

// sources is a set of sources.
type sources uint8

func (s sources) has(x Source) bool        { return s&(1<<x) != 0 }
func (s sources) with(x Source) sources    { return s | 1<<x }
func (s sources) without(x Source) sources { return s &^ (1 << x) }

// each calls f for every source in the set, in order.
func (s sources) each(f func(Source)) {
	for x := Camera; x <= ScreenAudio; x++ {
		if s.has(x) {
			f(x)
		}
	}
}

// kindOf returns the media kind of a source.
func kindOf(s Source) packet.Kind {
	if s.IsVideo() {
		return packet.Video
	}
	return packet.Audio
}

// routerSource returns what the router calls a source.
func routerSource(s Source) router.Source {
	switch s {
	case Screen:
		return router.Screen
	case Mic:
		return router.Mic
	case ScreenAudio:
		return router.ScreenAudio
	}
	return router.Camera
}

// routerQuality returns what the router calls a quality.
func routerQuality(q Quality) router.Quality {
	switch q {
	case Low:
		return router.Low
	case Mid:
		return router.Mid
	}
	return router.High
}

// sourceOf is the reverse of routerSource.
func sourceOf(s router.Source) Source {
	return [...]Source{router.Camera: Camera, router.Screen: Screen, router.Mic: Mic, router.ScreenAudio: ScreenAudio}[s]
}
