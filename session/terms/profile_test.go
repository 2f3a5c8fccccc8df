package terms

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

func TestParseName(t *testing.T) {
	for given, want := range map[string]string{
		"":                        "",
		"  \t\n":                  "", // none, not an invisible one
		"Bob Müller":              "Bob Müller",
		" Bob Mu\u0308ller\u3000": "Bob Müller",
		"李小龙":                     "李小龙",
		"علی\u200cرضا":            "علی\u200cرضا",     // Persian, a non-joiner inside
		"രാജന\u0d4d\u200d":        "രാജന\u0d4d\u200d", // Malayalam, an old chillu at the end
		"র\u200d\u09cdযাব":        "র\u200d\u09cdযাব", // Bengali, a joiner before a virama
		"👩\u200d👩\u200d👧 & 🏳\ufe0f\u200d🌈":                              "👩\u200d👩\u200d👧 & 🏳\ufe0f\u200d🌈",
		"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
		"葛\U000e0100":           "葛\U000e0100", // a variant of an ideograph
		"שּׁ\u05b8\u0597":       norm.NFC.String("שּׁ\u05b8\u0597"),
		"\U0001fae9 \U0002ebf0": "\U0001fae9 \U0002ebf0", // younger than the tables
		strings.Repeat("각", 64): strings.Repeat("각", 64),
	} {
		if got, err := ParseName(given); got != want || err != nil {
			t.Errorf("%q: %q, %v, not %q", given, got, err, want)
		}
	}
	if got, err := ParseName(norm.NFD.String(strings.Repeat("각", 64))); got != strings.Repeat("각", 64) || err != nil {
		t.Errorf("Hangul that was taken apart: %q, %v", got, err)
	}
}

func TestParseNameRefuses(t *testing.T) {
	for given, says := range map[string]string{
		strings.Repeat("x", 65):       "at most 64 characters",
		strings.Repeat("😀", 64) + "x": "at most 64 characters",
		strings.Repeat("𐀀\u0301", 33): "at most 64 characters",
		strings.Repeat("x", 1<<20):    "1048576 bytes",
		"a\xff":                       "UTF-8",
		"a\ufffdb":                    "U+FFFD (character 2)",
		"a\x00":                       "U+0000 (character 2)",
		"a\nb":                        "line break",
		"a\u0085b":                    "line break",
		"a\u2028b":                    "line break",
		"a\u202eb":                    "U+202E (character 2): it changes the direction",
		"a\u2066b":                    "direction",
		"a\u200eb":                    "direction",
		"a\u200fb":                    "direction",
		"a\u061cb":                    "direction",
		"a\ue000":                     "private use",
		"a\u0378":                     "no character of Unicode",
		"a\uffff":                     "no character of Unicode",
		"a\u200bb":                    "invisible",
		"a\ufeffb":                    "invisible",
		"a\u00adb":                    "invisible",
		"\u3164":                      "invisible",
		"a\u034fb":                    "invisible",
		"a\U000e0041":                 "invisible",
		"🏴\U000e0041\U000e0041\U000e0041\U000e0041\U000e0041\U000e0041\U000e0041": "invisible",
		"\u2800\u2800":                    "nothing of the name can be seen",
		"\u0301a":                         "cannot begin with a mark",
		"a\u200d":                         "a joiner stands between",
		"\u200da":                         "a joiner stands between",
		"a\u200d\u200db":                  "a joiner stands between",
		"a \u200cb":                       "a joiner stands between",
		"x\u0301\u0301\u0301\u0301\u0301": "piled up at character 6",
		"क" + strings.Repeat("\u094d\u200d", 5): "piled up",
	} {
		_, err := ParseName(given)
		if e := AsError(err); !errors.Is(err, CodeBadRequest) || e.Field != "name" || !strings.Contains(e.Text, says) {
			t.Errorf("%.40q: %v, which does not say %q", given, err, says)
		}
	}
}

func TestCheckMetadata(t *testing.T) {
	for given, ok := range map[string]bool{
		"": true, `{"hand":true}`: true, "\u202e\x00": true, strings.Repeat("x", MaxMetadata): true,
		strings.Repeat("x", MaxMetadata+1): false, "\xff": false,
	} {
		if err := CheckMetadata(given); (err == nil) != ok || err != nil && AsError(err).Field != "metadata" {
			t.Errorf("%.40q: %v", given, err)
		}
	}
}

func TestLongNamesCostNothing(t *testing.T) {
	long := strings.Repeat("e\u0301", 1<<20)
	if n := testing.AllocsPerRun(10, func() { _, _ = ParseName(long) }); n > 5 {
		t.Errorf("%v allocations for a name of %d bytes", n, len(long))
	}
}

// FuzzName: what is taken is within the bounds, and is taken again as it is.
func FuzzName(f *testing.F) {
	for _, s := range []string{"", "Bob Müller", "Mu\u0308", "علی\u200cرضا", "👩\u200d👧", "a\u202eb", "\u3164", "x\u0301\u0301\u0301\u0301\u0301", "\xff", "ᄀ\u1161\u11a8", "🏴\U000e0067\U000e007f"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := ParseName(s)
		if err != nil {
			if e := AsError(err); e.Code != CodeBadRequest || e.Field != "name" || !utf8.ValidString(e.Text) {
				t.Fatalf("%q: %v", s, err)
			}
			return
		}
		if len(name) > MaxNameBytes || utf8.RuneCountInString(name) > MaxName || !norm.NFC.IsNormalString(name) || strings.ContainsAny(name, "\n\r\u202e\u200b") {
			t.Fatalf("%q became %q", s, name)
		}
		if again, err := ParseName(name); again != name || err != nil {
			t.Fatalf("%q became %q, then %q, %v", s, name, again, err)
		}
	})
}
