package svc

import "testing"

// VP9 says of itself the same as the dependency descriptor says of it, as far as VP9 goes.
func TestPayloadDescriptorsOfVP9(t *testing.T) {
	for _, name := range []string{"vp9-l3t3-key.txt", "vp9-l3t3.txt"} {
		for _, want := range []Layer{{1, 2}, {0, 2}, {1, 0}, {0, 0}, {0, 1}} {
			var dd, own Reader
			var a, b Filter
			a.aim(want)
			b.aim(want)
			began := false
			for i, p := range record(t, name) {
				var x, y Frame
				pid := uint16(p.payload[1]&0x7f)<<8 | uint16(p.payload[2])
				if !dd.Read(&x, p.dd) || !own.ReadVP9(&y, p.payload, pid) {
					t.Fatalf("%s: packet %d cannot be read: %x", name, i, p.payload)
				}
				if x.Layer != y.Layer || x.Begins != y.Begins || x.Ends != y.Ends || own.Structure().Area(int(x.Spatial)) != dd.Structure().Area(int(x.Spatial)) {
					t.Fatalf("%s: packet %d: %+v, want %+v", name, i, y, x)
				}
				// The structure of the first keyframe has one layer only.
				began = began || x.Spatial == 1 || want.Spatial == 0
				if passes := a.Decide(&x, p.timestamp).Passes; b.Decide(&y, p.timestamp).Passes != passes && began && (name != "vp9-l3t3.txt" || want.Spatial == 0) {
					t.Errorf("%s: packet %d of %v for %v: does not pass as by the dependency descriptor: %v", name, i, x.Layer, want, passes)
				}
			}
		}
	}
}

func TestPayloadDescriptorsThatCannotBeRead(t *testing.T) {
	first := record(t, "vp9-l3t3-key.txt")[1].payload
	for name, p := range map[string][]byte{
		"nothing": nil, "no layers": {0x9e, 0x81, 2, 0, 0}, "no picture id": {0x3e, 0x10, 0, 0}, "cut at layers": first[:3], "cut at references": {0xfd, 1, 0x50},
		"five layers": append([]byte{first[0], first[1], first[2], first[3], 0x98}, first[5:]...), "before a keyframe": {0xfd, 1, 0x50, 2, 0x87},
	} {
		var r Reader
		f := Frame{In: new(Structure)}
		if r.ReadVP9(&f, p, 1) || f.In != nil {
			t.Errorf("%s: read as %+v", name, f)
		}
	}
}

func TestReadingVP9AllocatesNothing(t *testing.T) {
	all := record(t, "vp9-l3t3-key.txt")[1:40]
	var r Reader
	var f Frame
	read := func() {
		for i, p := range all {
			r.ReadVP9(&f, p.payload, uint16(i))
		}
	}
	read()
	if n := testing.AllocsPerRun(100, read); n != 0 {
		t.Errorf("%v allocations for what is known", n)
	}
}

// FuzzReadVP9 has a reader take in what a publisher may send, cut into packets by their lengths. A filter
// decides on it.
func FuzzReadVP9(f *testing.F) {
	var in []byte
	for _, p := range record(f, "vp9-l3t3-key.txt")[:12] {
		in = append(append(in, byte(len(p.payload))), p.payload...)
	}
	f.Add(in)
	f.Fuzz(func(t *testing.T, in []byte) {
		var r Reader
		var x Filter
		for n := uint16(0); len(in) > 0 && len(in) > int(in[0]); n++ {
			end := 1 + int(in[0])
			payload := in[1:end]
			in = in[end:]
			var p Frame
			if !r.ReadVP9(&p, payload, n/2) {
				continue
			}
			if p.In.spatial > vp9Spatial || p.Spatial >= p.In.spatial || p.present&^p.In.all() != 0 {
				t.Fatalf("out of bounds: %+v", p)
			}
			x.aim(Layer{uint8(n) & 3, uint8(n) >> 2 & 3})
			first := x.Decide(&p, uint32(n/2))
			if x.Decide(&p, uint32(n/2)).Passes != first.Passes {
				t.Fatal("a frame is decided on twice")
			}
		}
	})
}
