package codec

// Primary returns the primary block of a RED payload (RFC 2198 section 3) and its payload type. Redundant
// blocks come first and are left out.
func Primary(b []byte) (block []byte, pt uint8, ok bool) {
	skip := 0
	for n := 0; n < len(b); n += 4 {
		if b[n]&0x80 == 0 {
			if n+1+skip > len(b) {
				return nil, 0, false
			}
			return b[n+1+skip:], b[n] & 0x7f, true
		}
		if n+4 > len(b) {
			break
		}
		skip += int(b[n+2]&0x03)<<8 | int(b[n+3])
	}
	return nil, 0, false
}
