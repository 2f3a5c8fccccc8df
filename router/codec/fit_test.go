package codec

import (
	"fmt"
	"strings"
	"testing"

	"parlor/packet"
)

// codecOf makes a codec of "H264 1 42e01f" (packetization-mode and profile-level-id) or of a name with format
// parameters.
func codecOf(t *testing.T, text string) packet.Codec {
	t.Helper()
	name, fmtp, _ := strings.Cut(text, " ")
	c := packet.Codec{Name: name, ClockRate: 90000, Fmtp: fmtp}
	switch name {
	case "OPUS", "RED":
		c.ClockRate, c.Channels = 48000, 2
	case "PCMU", "PCMA", "G722":
		c.ClockRate = 8000
		if fmtp == "stereo" {
			c.Channels = 2
		}
	case "H264":
		if mode, id, ok := strings.Cut(fmtp, " "); ok {
			c.Fmtp = "level-asymmetry-allowed=1;packetization-mode=" + mode + ";profile-level-id=" + id
		}
	}
	return c
}

func formatsOf(t *testing.T, texts []string) []Format {
	t.Helper()
	l := make([]Format, len(texts))
	for i, text := range texts {
		l[i] = FormatOf(codecOf(t, text))
	}
	return l
}

// These are what players offer.
var players = map[string][]string{
	"Chromium": {"VP8", "VP9 profile-id=0", "VP9 profile-id=2", "VP9 profile-id=1", "VP9 profile-id=3", "H264 1 42001f", "H264 0 42001f", "H264 1 42e01f", "H264 0 42e01f", "H264 1 4d001f",
		"H264 0 4d001f", "H264 1 f4001f", "H264 0 f4001f", "AV1 level-idx=5;profile=0;tier=0", "AV1 level-idx=5;profile=1;tier=0", "H265 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST",
		"H265 level-id=180;profile-id=2;tier-flag=0;tx-mode=SRST", "OPUS minptime=10;useinbandfec=1", "RED 111/111", "G722", "PCMU", "PCMA"},
	"Safari":  {"H264 1 640c34", "H264 0 640c34", "H264 1 42e034", "H264 0 42e034", "H265 level-id=93;tx-mode=SRST", "VP8", "VP9 profile-id=0", "OPUS", "RED 111/111", "PCMU"},
	"Firefox": {"VP8 max-fs=12288;max-fr=60", "VP9 max-fs=12288;max-fr=60", "H264 1 42e01f", "H264 0 42e01f", "AV1", "OPUS", "G722", "PCMU", "PCMA"},

	"H264 of GStreamer":     {"H264", "OPUS"},
	"H264 of GStreamer, CB": {"H264 profile-level-id=42e01f", "OPUS"},
	"H264 CB":               {"H264 1 42e01f"},
	"H264 B":                {"H264 1 42001f"},
	"H264 main":             {"H264 1 4d001f"},
	"H264 high":             {"H264 1 64001f"},
	"H264 high, CB":         {"H264 1 42e01f", "H264 1 64001f"},
	"H264 high or CB mode":  {"H264 1 42e01f", "H264 0 64001f"},
	"H264 B mode 0 or CB":   {"H264 0 42001f", "H264 1 42e01f"},
	"H264 main 0 or high":   {"H264 0 4d001f", "H264 1 64001f"},
	"H264 high 4.0":         {"H264 1 64001f", "H264 1 640028"},
	"H264 progressive high": {"H264 1 64081f"},
	"H264 extended":         {"H264 1 58001f"},
	"H264 444":              {"H264 1 f4001f"},
	"H264 intra":            {"H264 1 2c101f", "H264 1 42e01f"},
	"H264 broken":           {"H264 1 xyz"},
	"H264 broken, mode 0":   {"H264 0 xyz"},
	"H264 interleaved":      {"H264 2 42e01f"},
	"H265 main 10":          {"H265 profile-id=2"},
	"H265 range":            {"H265 profile-id=4"},
	"AV1 professional":      {"AV1 profile=2"},
	"VP9 10 bit":            {"VP9 profile-id=2"},
	"VP9 all":               {"VP9 profile-id=3"},
	"nothing":               {},
	"RED 96":                {"OPUS", "RED 96/96"},
	"FEC only":              {"FLEXFEC-03"},
	"PCMU stereo":           {"PCMU stereo"},
}

// TestFit is the table of publishers' labels against players' lists. It says which payload type is used; "-"
// means that nothing can be sent.
func TestFit(t *testing.T) {
	for _, x := range []struct {
		label string
		want  map[string]string
	}{
		{"VP8", map[string]string{"Chromium": "VP8", "Firefox": "VP8 max-fs=12288;max-fr=60", "H264 CB": "-", "nothing": "-"}},
		{"VP9", map[string]string{"Chromium": "VP9 profile-id=0", "Firefox": "VP9 max-fs=12288;max-fr=60", "VP9 10 bit": "VP9 profile-id=2", "VP9 all": "VP9 profile-id=3"}},
		{"VP9 profile-id=2", map[string]string{"Chromium": "VP9 profile-id=2", "Safari": "-", "Firefox": "-", "VP9 all": "VP9 profile-id=3"}},
		{"VP9 profile-id=1", map[string]string{"Chromium": "VP9 profile-id=1", "VP9 10 bit": "-"}},
		{"VP9 profile-id=x", map[string]string{"Chromium": "-"}},

		// A.2.1.1 Constrained Baseline. 4d and 58 with the flags of the others are the same (RFC 6184 table
		// 5).
		{"H264 1 42e01f", map[string]string{"Chromium": "H264 1 42e01f", "Safari": "H264 1 42e034", "Firefox": "H264 1 42e01f", "H264 B": "H264 1 42001f", "H264 main": "H264 1 4d001f",
			"H264 high": "H264 1 64001f", "H264 progressive high": "H264 1 64081f", "H264 extended": "H264 1 58001f", "H264 444": "H264 1 f4001f", "H264 of GStreamer": "H264",
			"H264 of GStreamer, CB": "H264 profile-level-id=42e01f", "H264 broken": "H264 1 xyz", "H264 interleaved": "H264 2 42e01f", "H264 intra": "H264 1 42e01f",
			"H264 high or CB mode": "H264 1 42e01f", "FEC only": "-", "nothing": "-"}},
		{"H264 1 4d801f", map[string]string{"Chromium": "H264 1 42e01f", "H264 high, CB": "H264 1 42e01f"}},
		{"H264 1 58c01f", map[string]string{"Chromium": "H264 1 42e01f"}},
		{"H264 1 42e034", map[string]string{"Chromium": "H264 1 42e01f", "Safari": "H264 1 42e034", "H264 high 4.0": "H264 1 64001f"}},
		// mode 0: single units, which every mode but the interleaved one has (RFC 6184 section 6.2)
		{"H264 0 42e01f", map[string]string{"Chromium": "H264 0 42e01f", "H264 CB": "H264 1 42e01f"}},
		{"H264 0 4d001f", map[string]string{"Chromium": "H264 0 4d001f", "H264 main": "H264 1 4d001f"}},
		{"H264 2 42e01f", map[string]string{"Chromium": "-", "H264 CB": "-", "H264 interleaved": "H264 2 42e01f"}},
		// Baseline, mode 0
		{"H264", map[string]string{"Chromium": "H264 0 42001f", "H264 CB": "H264 1 42e01f", "H264 of GStreamer": "H264"}},
		// A.2.1 Baseline
		{"H264 1 42001f", map[string]string{"H264 B mode 0 or CB": "H264 1 42e01f", "Chromium": "H264 1 42001f", "Firefox": "H264 1 42e01f", "H264 main": "H264 1 4d001f", "H264 extended": "H264 1 58001f"}},
		// A.2.2 Main
		{"H264 1 4d001f", map[string]string{"H264 main 0 or high": "H264 1 64001f", "Chromium": "H264 1 4d001f", "Safari": "H264 1 640c34", "Firefox": "H264 1 42e01f", "H264 CB": "H264 1 42e01f", "H264 high, CB": "H264 1 64001f",
			"H264 444": "H264 1 f4001f", "H264 of GStreamer": "H264"}},
		{"H264 1 4d401f", map[string]string{"H264 high, CB": "H264 1 64001f", "Firefox": "H264 1 42e01f"}},
		// A.2.4 High and what it is made of
		{"H264 1 64000d", map[string]string{"Chromium": "H264 1 f4001f", "Safari": "H264 1 640c34", "Firefox": "H264 1 42e01f", "H264 high": "H264 1 64001f", "H264 CB": "H264 1 42e01f",
			"H264 B": "H264 1 42001f", "H264 main": "H264 1 4d001f", "H264 progressive high": "H264 1 64081f", "H264 of GStreamer": "H264",
			"H264 of GStreamer, CB": "H264 profile-level-id=42e01f", "H264 high or CB mode": "H264 0 64001f", "H264 intra": "H264 1 42e01f", "H264 broken": "H264 1 xyz"}},
		{"H264 1 640c34", map[string]string{"Chromium": "H264 1 f4001f", "Safari": "H264 1 640c34", "H264 progressive high": "H264 1 64081f", "H264 high": "H264 1 64001f", "Firefox": "H264 1 42e01f"}},
		{"H264 1 640028", map[string]string{"H264 high 4.0": "H264 1 640028"}},
		{"H264 1 64001f", map[string]string{"H264 high 4.0": "H264 1 64001f"}},
		{"H264 1 64081f", map[string]string{"Safari": "H264 1 640c34", "H264 high": "H264 1 64001f"}},
		// A.2.5 and on: High 10, High 4:2:2, High 4:4:4 Predictive, CAVLC 4:4:4 Intra
		{"H264 1 6e001f", map[string]string{"Chromium": "H264 1 f4001f", "H264 high": "H264 1 64001f", "H264 high, CB": "H264 1 64001f"}},
		{"H264 1 7a001f", map[string]string{"Chromium": "H264 1 f4001f", "Firefox": "H264 1 42e01f"}},
		{"H264 1 f4001f", map[string]string{"Chromium": "H264 1 f4001f", "Safari": "H264 1 640c34"}},
		{"H264 1 2c101f", map[string]string{"Chromium": "H264 1 f4001f", "H264 intra": "H264 1 2c101f"}},
		{"H264 1 xyz", map[string]string{"Chromium": "H264 1 f4001f", "Firefox": "H264 1 42e01f"}},

		// RFC 7798, H.265 annex A.3
		{"H265", map[string]string{"Chromium": "H265 level-id=180;profile-id=1;tier-flag=0;tx-mode=SRST", "Safari": "H265 level-id=93;tx-mode=SRST", "H265 main 10": "H265 profile-id=2",
			"H265 range": "H265 profile-id=4", "Firefox": "-"}},
		{"H265 profile-id=2", map[string]string{"Chromium": "H265 level-id=180;profile-id=2;tier-flag=0;tx-mode=SRST", "Safari": "-", "H265 range": "H265 profile-id=4"}},
		{"H265 profile-id=2;profile-compatibility-indicator=60000000", map[string]string{"Safari": "H265 level-id=93;tx-mode=SRST"}},
		{"H265 profile-id=3", map[string]string{"Safari": "H265 level-id=93;tx-mode=SRST", "H265 main 10": "H265 profile-id=2"}},
		{"H265 profile-id=4", map[string]string{"Chromium": "-", "H265 range": "H265 profile-id=4"}},
		{"H265 level-id=120;tier-flag=1", map[string]string{"Safari": "H265 level-id=93;tx-mode=SRST"}},

		// AV1 annex A.2
		{"AV1", map[string]string{"Chromium": "AV1 level-idx=5;profile=0;tier=0", "Firefox": "AV1", "AV1 professional": "AV1 profile=2", "Safari": "-"}},
		{"AV1 profile=1", map[string]string{"Chromium": "AV1 level-idx=5;profile=1;tier=0", "Firefox": "-", "AV1 professional": "AV1 profile=2"}},
		{"AV1 profile=2;level-idx=8", map[string]string{"Chromium": "-", "AV1 professional": "AV1 profile=2"}},
		{"AV1 level-idx=13;tier=1", map[string]string{"AV1 professional": "AV1 profile=2", "Chromium": "AV1 level-idx=5;profile=0;tier=0"}},

		{"OPUS useinbandfec=1", map[string]string{"Chromium": "OPUS minptime=10;useinbandfec=1", "RED 96": "OPUS", "H264 CB": "-"}},
		{"RED 111/111", map[string]string{"Chromium": "RED 111/111", "RED 96": "OPUS", "Firefox": "OPUS"}},
		{"PCMA", map[string]string{"Chromium": "PCMA", "Firefox": "PCMA", "Safari": "-", "RED 96": "-"}},
		{"PCMU", map[string]string{"Chromium": "PCMU", "Safari": "PCMU", "PCMU stereo": "-"}},
		{"G722", map[string]string{"Chromium": "G722", "Safari": "-"}},
		{"FLEXFEC-03", map[string]string{"FEC only": "-"}},
	} {
		for player, want := range x.want {
			list, ok := players[player]
			if !ok {
				t.Fatalf("there is no player %q", player)
			}
			got := "-"
			if i := Fit(FormatOf(codecOf(t, x.label)), formatsOf(t, list)); i >= 0 {
				got = list[i]
			}
			if got != want {
				t.Errorf("%s to %s: %s, want %s", x.label, player, got, want)
			}
		}
	}
}

// TestEveryH264IsSentSomewhere: there is a last resort for whatever a publisher writes, unless its packets
// are interleaved.
func TestEveryH264IsSentSomewhere(t *testing.T) {
	for _, mode := range []string{"0", "1"} {
		for idc := range 256 {
			for _, iop := range []string{"00", "10", "e0", "0c"} {
				label := fmt.Sprintf("H264 %s %02x%s1f", mode, idc, iop)
				for player, list := range players {
					i := Fit(FormatOf(codecOf(t, label)), formatsOf(t, list))
					if has := strings.HasPrefix(strings.Join(list, ","), "H264") || strings.Contains(strings.Join(list, ","), ",H264"); has && i < 0 {
						t.Fatalf("%s is not sent to %s", label, player)
					}
				}
			}
		}
	}
}

func TestLabels(t *testing.T) {
	for text, want := range map[string]string{
		"VP8": "VP8", "VP9": "VP9 profile 0", "VP9 profile-id=2": "VP9 profile 2", "VP9 profile-id=77": "VP9 profile other", "AV1 profile=1": "AV1 profile 1",
		"H265 profile-id=2": "H265 profile 2", "H264 1 42e01f": "H264 constrained baseline", "H264": "H264 baseline", "H264 1 64001f": "H264 high", "H264 1 640c1f": "H264 constrained high",
		"H264 1 f4001f": "H264 high 4:4:4", "H264 2 4d001f": "H264 main interleaved", "H264 1 ": "H264 baseline", "H264 1 zzz": "H264 unknown", "PCMA": "PCMA", "nonsense": "unknown",
		"H264 1 7a101f": "H264 high 4:2:2 intra", "H264 1 64081f": "H264 progressive high", "H264 1 58001f": "H264 extended",
	} {
		if got := FormatOf(codecOf(t, text)).Label(); got != want {
			t.Errorf("%q is labelled %q, want %q", text, got, want)
		}
	}
	offered := func(source, player string) string {
		return Offered(FormatOf(codecOf(t, source)), formatsOf(t, players[player]))
	}
	for want, got := range map[string]string{
		"VP9 profile 0": offered("VP9 profile-id=2", "Safari"), "OPUS+VP8+VP9+H264+AV1+PCMU+PCMA+G722": offered("H265", "Firefox"),
		"OPUS+RED": offered("PCMA", "RED 96"), "nothing": offered("VP8", "nothing"), "H264 constrained baseline": offered("H264 2 42e01f", "H264 CB"),
	} {
		if got != want {
			t.Errorf("offered: %q, want %q", got, want)
		}
	}
}

func FuzzFormatOf(f *testing.F) {
	f.Add("H264", "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")
	f.Add("H264", "packetization-mode=2;profile-level-id=2c10ff")
	f.Add("H265", "profile-id=2;profile-compatibility-indicator=60000000;tier-flag=1;level-id=255")
	f.Add("AV1", "profile=1;level-idx=31;tier=1")
	f.Add("RED", "111/111")
	f.Add("VP9", "profile-id=0; x")
	f.Fuzz(func(t *testing.T, name, fmtp string) {
		x := FormatOf(packet.Codec{Name: name, Fmtp: fmtp, ClockRate: 90000})
		if got := Fit(x, []Format{x}); got != 0 && x.ID != Unknown {
			t.Fatalf("%q %q does not fit itself", name, fmtp)
		}
		if label := x.Label(); len(label) > 40 || label == "" {
			t.Fatalf("%q %q is labelled %q", name, fmtp, label)
		}
	})
}
