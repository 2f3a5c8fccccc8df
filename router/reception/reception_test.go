package reception

import "testing"

func TestReport(t *testing.T) {
	var s Stats
	for seq := uint64(65530); seq < 65630; seq++ {
		if seq%10 != 5 { // one in ten is lost
			s.Packet(seq, uint32(seq-65530)*960, int64(seq)*20e6, 48000)
		}
	}
	r := s.Report()
	if r.Lost != 10 || r.Fraction != 25 || r.High != 65629 || r.Jitter != 0 {
		t.Errorf("%+v", r)
	}
	for seq := uint64(65630); seq < 65640; seq++ {
		s.Packet(seq, uint32(seq-65530)*960, int64(seq)*20e6, 48000)
		// Duplicates do not make up for earlier losses here.
		s.Packet(seq, uint32(seq-65530)*960, int64(seq)*20e6, 48000)
	}
	if r = s.Report(); r.Fraction != 0 || r.Lost != 0 {
		t.Errorf("%+v", r)
	}
	s.Packet(65640, 0, 0, 48000)
	for range 2 {
		s.Packet(65640, 0, 0, 48000)
	}
	if r = s.Report(); r.Lost != 0xfffffe {
		t.Errorf("more came than were sent: %x", r.Lost)
	}
}

func TestJitter(t *testing.T) {
	var s Stats
	for i := range int64(1000) {
		at := i * 20e6
		if i%2 == 1 {
			at += 5e6 // every other one is 5 ms late
		}
		s.Packet(uint64(i+70000), uint32(1<<32-100*960+i*960), at, 48000)
	}
	if j := s.Report().Jitter; j < 230 || j > 250 {
		t.Errorf("%d ticks, want about 240", j)
	}
}

func TestNewClock(t *testing.T) {
	var s Stats
	for i := range int64(100) {
		s.Packet(uint64(i+70000), uint32(i*960), i*20e6, 48000)
	}
	s.NewClock()
	for i := range int64(100) {
		s.Packet(uint64(i+70100), uint32(7e8+i*160), (100+i)*20e6, 8000)
	}
	if r := s.Report(); r.Jitter != 0 || r.Lost != 0 || r.High != 70199-1<<16 {
		t.Errorf("after the change from 48 to 8 kHz: %+v", r)
	}
}
