package speech

// Margin is by how many dB one must be louder to take the place of another. Higher switches less, lower
// sooner.
const Margin = 4

// Dominates says whether v takes over from d (nil: nobody) as the active speaker. It must speak, and be
// louder than d by Margin over a third of a second. If d has not stopped, it must be louder over two seconds
// as well.
func (v *Voice) Dominates(d *Voice, now int64) bool {
	if !v.Speaking(now) {
		return false
	}
	a := v.after(now)
	if d == nil {
		return a.medium >= loud/2
	}
	b := d.after(now)
	return a.medium > b.medium+Margin && (a.long > b.long || !d.Speaking(now))
}

// Seat returns which of the places of the loudest v takes with the packet that Packet has just said to be
// speech; -1: none. It is a free place, else that of the voice that has been silent longest. Else it is that
// of the voice that is softest over two seconds, if v is louder by Margin: nobody is cut off by one who
// speaks less. sitting has nil for a free place.
func Seat(sitting []*Voice, v *Voice, now int64) int {
	silent, softest := -1, -1
	var least float32
	for i, o := range sitting {
		if o == nil {
			return i
		}
		if !o.Speaking(now) {
			if silent < 0 || o.spoke < sitting[silent].spoke {
				silent = i
			}
			continue
		}
		if level := o.after(now).long; softest < 0 || level < least {
			softest, least = i, level
		}
	}
	switch {
	case silent >= 0:
		return silent
	case softest >= 0 && v.long > least+Margin:
		return softest
	}
	return -1
}
