package session

import (
	"parlor/packet"
	"parlor/router"
	"parlor/session/terms"
)

// sources is a set of sources.
type sources uint8

func (s sources) has(x terms.Source) bool        { return s&(1<<x) != 0 }
func (s sources) with(x terms.Source) sources    { return s | 1<<x }
func (s sources) without(x terms.Source) sources { return s &^ (1 << x) }

// each calls f for every source in the set, in order.
func (s sources) each(f func(terms.Source)) {
	for x := terms.Camera; x <= terms.ScreenAudio; x++ {
		if s.has(x) {
			f(x)
		}
	}
}

// kindOf returns the media kind of a source.
func kindOf(s terms.Source) packet.Kind {
	if s.IsVideo() {
		return packet.Video
	}
	return packet.Audio
}

// routerSource returns what the router calls a source.
func routerSource(s terms.Source) router.Source {
	switch s {
	case terms.Screen:
		return router.Screen
	case terms.Mic:
		return router.Mic
	case terms.ScreenAudio:
		return router.ScreenAudio
	}
	return router.Camera
}

// routerQuality returns what the router calls a quality.
func routerQuality(q terms.Quality) router.Quality {
	switch q {
	case terms.Low:
		return router.Low
	case terms.Mid:
		return router.Mid
	}
	return router.High
}

// sourceOf is the reverse of routerSource.
func sourceOf(s router.Source) terms.Source {
	return [...]terms.Source{router.Camera: terms.Camera, router.Screen: terms.Screen, router.Mic: terms.Mic, router.ScreenAudio: terms.ScreenAudio}[s]
}
