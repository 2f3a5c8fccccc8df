package codec

import (
	"slices"
	"strconv"
	"strings"
)

// maxProfile bounds the profiles that a label names. Those of H.265 go up to 11.
const maxProfile = 11

// Label returns the codec and its profile in a few words, such as "VP9 profile 2". There are some dozens of
// labels in all, whatever strangers write into their offers.
func (f Format) Label() string {
	switch f.ID {
	case VP9, AV1, H265:
		if f.profile > maxProfile {
			return f.ID.String() + " profile other"
		}
		return f.ID.String() + " profile " + strconv.Itoa(int(f.profile))
	case H264:
		label := "H264 " + h264Names[f.decoder()]
		if f.mode >= 2 {
			label += " interleaved"
		}
		return label
	}
	return f.ID.String()
}

// Offered returns what a receiver that cannot take a source has in its place. That is its own profile of the
// codec, or else the names of its codecs, in a fixed order and each once.
func Offered(src Format, dst []Format) string {
	var all []ID
	for _, d := range dst {
		if d.ID == src.ID && d.ID != RED {
			return d.Label()
		}
		if !slices.Contains(all, d.ID) {
			all = append(all, d.ID)
		}
	}
	slices.Sort(all)
	list := make([]string, len(all))
	for i, id := range all {
		list[i] = id.String()
	}
	if len(list) == 0 {
		return "nothing"
	}
	return strings.Join(list, "+")
}
