package speech

// Margin is by how many dB one must be louder to take the place of another. Higher switches less, lower sooner.
const Margin = 4

// Dominates says whether v takes over from d (nil: nobody) as the active speaker: it speaks, is louder than d over a third of a
// second, and over two seconds as well where d has not stopped.
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

// Seat returns which of the places of the loudest v takes with the packet that Packet has just said to be speech; -1: none. It is
// a free one, else that of who has been silent longest, else that of who is softest over two seconds, if v is louder than that: nobody
// is cut off by one who speaks less. sitting has nil where a place is free.
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
