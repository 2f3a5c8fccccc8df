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
