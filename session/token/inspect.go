package token

import (
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Look is what a token says, whoever has signed it. For people alone: nothing of it is to be believed unless
// Err is nil.
type Look struct {
	Header map[string]any
	Claims map[string]any // numbers are json.Number
	Signed bool           // by one of the keys
	Err    error          // why nobody gets in with it; a *terms.Error, as of Parse
}

// Inspect returns what a token says, and whether it holds. The error, a *terms.Error, is of a text that is no
// token.
func (k *Keys) Inspect(text string) (Look, error) {
	if len(text) > MaxToken {
		return Look{}, invalid("the token is longer than %d bytes", MaxToken)
	}
	var claims jwt.MapClaims
	t, parts, err := jwt.NewParser(jwt.WithJSONNumber(), jwt.WithStrictDecoding()).ParseUnverified(text, &claims)
	if err != nil {
		return Look{}, invalid("this is no token: a JWT has three parts with dots between them, and is to be copied whole")
	}
	l := Look{Header: t.Header, Claims: claims}
	l.Signed = k.signedBy(t, parts)
	_, l.Err = k.Parse(text)
	return l, nil
}

// signedBy reports whether the key that a token names has signed it, or any key if it names none.
func (k *Keys) signedBy(t *jwt.Token, parts []string) bool {
	named, err := k.find(t)
	if err != nil || t.Method != jwt.SigningMethodHS256 {
		return false
	}
	signature, err := jwt.NewParser(jwt.WithStrictDecoding()).DecodeSegment(parts[2])
	if err != nil {
		return false
	}
	for _, secret := range named.(jwt.VerificationKeySet).Keys {
		if t.Method.Verify(strings.Join(parts[:2], "."), signature, secret) == nil {
			return true
		}
	}
	return false
}
