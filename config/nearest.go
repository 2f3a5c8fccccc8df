package config

import "strings"

// longest is the length in bytes of the longest word that is compared.
const longest = 64

// Nearest returns the one of words that a mistyped word was most likely meant to be, or "". It is the one
// with the least optimal string alignment distance, of at most a third of its length. That counts letters
// that are missing, too many, wrong or swapped.
func Nearest(word string, words []string) string {
	if len(word) > longest {
		return ""
	}
	best, least := "", longest
	for _, w := range words {
		d := distance(plainWord(word), plainWord(w))
		if d < least && d <= max(1, len(w)/3) {
			best, least = w, d
		}
	}
	return best
}

// plainWord leaves out what people forget or mistake for each other.
func plainWord(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(word))
}

// distance is the optimal string alignment distance of two words.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// Quotable returns a name that is no setting in a form that can be shown. What is not made like a name may be
// a secret that has got into the wrong place.
func Quotable(name string) string {
	for i, c := range name {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '_', c == '-', c == '.':
		default:
			return cut(name[:i]) + "…"
		}
	}
	return cut(name)
}

// cut shortens the parts of a name that are longer than any of ours.
func cut(name string) string {
	const most = 24
	parts := strings.Split(name, ".")
	for i, p := range parts {
		if len(p) > most {
			parts[i] = p[:6] + "…"
		}
	}
	return strings.Join(parts, ".")
}
