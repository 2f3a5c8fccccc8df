// Package red reads and writes redundant audio (RFC 2198), and says how much of it a receiver needs.
//
// It knows nothing of sequence numbers, clocks and receivers. Blocks go in and bytes come out; what was lost
// goes in, and a pattern comes out.
//
//	red.go    Block, Parse, Compose
//	guard.go  Guard: the pattern for the loss of one receiver
package red

import "encoding/binary"

// Block is one encoded frame.
type Block struct {
	Data   []byte
	Offset uint32 // by how much its timestamp is before that of the packet; 0 for the primary
	PT     uint8
}

// The limits of what a block's header can say, and of how many blocks a packet has. libwebrtc takes 32.
const (
	MaxOffset = 1<<14 - 1
	MaxData   = 1<<10 - 1
	MaxBlocks = 32
)

// headerLen is the length of the header of a redundant block.
const headerLen = 4

// Parse appends the blocks of a payload to out, in their order, the primary last. They point into b. Parse
// reports false, with nothing appended, if it is no such payload, or has more than MaxBlocks.
func Parse(b []byte, out []Block) ([]Block, bool) {
	var sizes [MaxBlocks]uint16
	had, rest := len(out), b
	for ; len(rest) >= headerLen && rest[0]&0x80 != 0; rest = rest[headerLen:] {
		if len(out)-had == MaxBlocks-1 {
			return out[:had], false
		}
		v := binary.BigEndian.Uint32(rest)
		sizes[len(out)-had] = uint16(v & MaxData)
		out = append(out, Block{PT: uint8(v>>24) & 0x7f, Offset: v >> 10 & MaxOffset})
	}
	if len(rest) == 0 || rest[0]&0x80 != 0 {
		return out[:had], false
	}
	primary := Block{PT: rest[0]}
	rest = rest[1:]
	for i := had; i < len(out); i++ {
		n := int(sizes[i-had])
		if n > len(rest) {
			return out[:had], false
		}
		out[i].Data, rest = rest[:n:n], rest[n:]
	}
	primary.Data = rest
	return append(out, primary), true
}

// Len returns how many bytes a redundant block takes.
func (b *Block) Len() int { return headerLen + len(b.Data) }

// Size returns how many bytes Compose writes.
func Size(blocks []Block) int {
	n := 1 - headerLen
	for i := range blocks {
		n += blocks[i].Len()
	}
	return n
}

// Compose writes a payload of blocks, of which the last is the primary, to dst, and returns its length. There
// is at least one block, dst has Size bytes, and all are within the limits.
func Compose(dst []byte, blocks []Block) int {
	last := len(blocks) - 1
	n := 0
	for i := range blocks[:last] {
		k := &blocks[i]
		binary.BigEndian.PutUint32(dst[n:], 1<<31|uint32(k.PT&0x7f)<<24|k.Offset&MaxOffset<<10|uint32(len(k.Data))&MaxData)
		n += headerLen
	}
	dst[n] = blocks[last].PT & 0x7f
	n++
	for i := range blocks {
		n += copy(dst[n:], blocks[i].Data)
	}
	return n
}
