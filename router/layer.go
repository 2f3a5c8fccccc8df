package router

// Layer is what the choice of a simulcast layer goes by.
type Layer struct {
	Live bool   // packets came within Options.LayerTimeout
	Area uint32 // width times height of its pictures; 0: not known
}

// ChooseLayer returns the index of the layer to show. layers are those of a track from the lowest to the
// highest, and must not be empty. q is the quality asked for, and area that on which the picture is shown, in
// pixels (0: not known). The layer meant is the one that the quality means, or the lowest that covers the
// area if that is lower. The choice is the live layer nearest to it, the lower of two. If none is live, the
// choice is the layer meant.
func ChooseLayer(layers []Layer, q Quality, area uint32) int {
	meant := askedLayer(layers, q, area)
	for d := range layers {
		if i := meant - d; i >= 0 && layers[i].Live {
			return i
		}
		if i := meant + d; i < len(layers) && layers[i].Live {
			return i
		}
	}
	return meant
}

// askedLayer returns the index of the layer that is asked for, whether it is live or not.
func askedLayer(layers []Layer, q Quality, area uint32) int {
	asked := (len(layers) - 1) * int(min(q, High)) / int(High)
	if area != 0 {
		asked = min(asked, covering(layers, area))
	}
	return asked
}

// covers is how large an area a picture covers, in hundredths of its own area. 130 is 14 % more of width and
// height, which nobody sees. Higher spares bandwidth, lower shows sharper pictures.
const covers = 130

// covering returns the index of the lowest layer that covers an area, or of the highest.
func covering(layers []Layer, area uint32) int {
	for i := range layers {
		if pictureArea(layers, i)*covers >= uint64(area)*100 {
			return i
		}
	}
	return len(layers) - 1
}

// usualArea is taken for the area of the highest layer if that of none is known, as of pictures that are
// encrypted end to end.
const usualArea = 1280 * 720

// pictureArea returns the area of a layer's pictures. If it is not known, it is that of the nearest layer of
// which it is, or else usualArea. It is then a quarter of that one layer below and four times as much one
// above.
func pictureArea(layers []Layer, at int) uint64 {
	from, known := len(layers)-1, uint64(usualArea)
	for d := len(layers) - 1; d >= 0; d-- {
		for _, i := range [...]int{at + d, at - d} {
			if i >= 0 && i < len(layers) && layers[i].Area != 0 {
				from, known = i, uint64(layers[i].Area)
			}
		}
	}
	if at > from {
		return known << (2 * (at - from))
	}
	return known >> (2 * (from - at))
}

// LayerSize is what tells of two layers which is the higher one. Zero: not known.
type LayerSize struct {
	Area uint32 // width times height of the latest keyframe
	Rate uint32 // bytes per second
}

// below says whether a is clearly the lower of two layers: by their pictures, else by what they cost. Rates
// close to each other say nothing, as they vary with what is to be seen.
func (a LayerSize) below(b LayerSize) bool {
	if a.Area != 0 && b.Area != 0 {
		return a.Area < b.Area
	}
	return a.Rate != 0 && b.Rate != 0 && uint64(a.Rate)*3 < uint64(b.Rate)*2
}

// SortLayers brings order, indices of sizes, into the order from the lowest to the highest layer, as far as
// that is known. The rest stays as it is. SortLayers returns whether anything has changed.
func SortLayers(order []int, sizes []LayerSize) bool {
	changed := false
	for range order { // as many passes as there are layers: below is no strict order if little is known
		for i := 1; i < len(order); i++ {
			if sizes[order[i]].below(sizes[order[i-1]]) {
				order[i], order[i-1] = order[i-1], order[i]
				changed = true
			}
		}
	}
	return changed
}
