package router

// Layer is what the choice of a simulcast layer goes by.
type Layer struct {
	Live bool // packets came within Options.LayerTimeout
}

// ChooseLayer returns the index of the layer to show, given the layers of a track from the lowest to the highest and the quality
// asked for: the one meant, else the nearest live one, the lower of two. Where none is live it is the one meant. layers
// must not be empty.
func ChooseLayer(layers []Layer, q Quality) int {
	meant := (len(layers) - 1) * int(min(q, High)) / int(High)
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

// LayerSize is what tells of two layers which is the higher one. Zero: not known.
type LayerSize struct {
	Area uint32 // width times height of the latest keyframe
	Rate uint32 // bytes per second
}

// below says whether a is clearly the lower of two layers: by their pictures, else by what they cost. Rates close to each
// other say nothing, as they vary with what is to be seen.
func (a LayerSize) below(b LayerSize) bool {
	if a.Area != 0 && b.Area != 0 {
		return a.Area < b.Area
	}
	return a.Rate != 0 && b.Rate != 0 && uint64(a.Rate)*3 < uint64(b.Rate)*2
}

// SortLayers brings order, indices of sizes, into the order from the lowest to the highest layer, as far as that is known; the
// rest stays as it is. It returns whether anything has changed.
func SortLayers(order []int, sizes []LayerSize) bool {
	changed := false
	for range order { // as many passes as there are layers: below is no strict order where little is known
		for i := 1; i < len(order); i++ {
			if sizes[order[i]].below(sizes[order[i-1]]) {
				order[i], order[i-1] = order[i-1], order[i]
				changed = true
			}
		}
	}
	return changed
}
