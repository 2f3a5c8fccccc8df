// Package token mints and reads the JSON Web Tokens (RFC 7519) with which users prove who they are and what
// they may do. Only HS256 is accepted, and every token has an end.
//
// The claims are `room` (string or integer), `user`, `rights` (array of names), `role` (optional; audience:
// may not become anchor) and `exp`. Only a token with the right admin may leave out room or user, and then
// holds for any. The header's `kid` says which key has signed; without it every key is tried.
//
// A UserSig, as applications of another RTC engine have it, counts as well (usersig.go).
package token

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"parlor/session/terms"
)

const (
	// MinSecret is the least length of a key in bytes, that of the hash (RFC 7518, 3.2).
	MinSecret = 32
	// MaxToken is the length in bytes of the longest token that is looked at.
	MaxToken = 8192
	// leeway is what two clocks may differ by: a token holds for as much longer. Higher lets expired tokens
	// in for longer.
	leeway = 5 * time.Second
)

// Key is a secret shared with the service that mints tokens.
type Key struct {
	ID     string // the kid
	Secret []byte
}

// Keys authenticate users. Safe for concurrent use, Replace included: every call sees the keys before it or
// those after it.
type Keys struct {
	keys    atomic.Pointer[[]Key] // read-only slice
	now     func() time.Time
	mapKeys bool // a UserSig needs a private map key
}

// New returns the given keys, of which the first mints. With none, everybody may do everything: that is only
// for a node that nobody else can reach. now is the clock; nil: time.Now.
func New(now func() time.Time, keys ...Key) (*Keys, error) {
	if now == nil {
		now = time.Now
	}
	if err := check(keys); err != nil {
		return nil, err
	}
	k := &Keys{now: now}
	k.keys.Store(&keys)
	return k, nil
}

func check(keys []Key) error {
	seen := map[string]bool{}
	for _, k := range keys {
		switch {
		case k.ID == "" || seen[k.ID]:
			return fmt.Errorf("key %q: every key has an id of its own", k.ID)
		case len(k.Secret) < MinSecret:
			return fmt.Errorf("key %q: the secret has %d bytes, at least %d are needed", k.ID, len(k.Secret), MinSecret)
		}
		seen[k.ID] = true
	}
	return nil
}

// Replace puts other keys into the place of those there are. If one of them is faulty, or there is none, it
// changes nothing and returns an error: without keys everybody would be let in. Tokens that were accepted
// before are not looked at again.
func (k *Keys) Replace(keys ...Key) error {
	if len(keys) == 0 {
		return errors.New("there is no key: everybody would be let in")
	}
	if err := check(keys); err != nil {
		return err
	}
	k.keys.Store(&keys)
	return nil
}

// Open reports whether there is no key, so that no token is asked for.
func (k *Keys) Open() bool { return len(*k.keys.Load()) == 0 }

// claims is a token's payload.
type claims struct {
	Room   terms.RoomID  `json:"room,omitzero"`
	User   string        `json:"user,omitempty"`
	Rights *terms.Rights `json:"rights"`
	Role   terms.Role    `json:"role,omitempty"`
	// What the user is called and what is said of it; nil: the user says that.
	Name     *string `json:"name,omitempty"`
	Metadata *string `json:"metadata,omitempty"`
	jwt.RegisteredClaims
}

// Mint returns a token for the grant, signed by the first key.
func (k *Keys) Mint(g terms.Grant) (string, error) {
	keys := *k.keys.Load()
	if len(keys) == 0 {
		return "", errors.New("minting a token: no key is configured")
	}
	c := claims{Room: g.Room, User: g.User, Rights: &g.Rights, Role: g.Role, Name: g.Profile.Name, Metadata: g.Profile.Metadata, RegisteredClaims: jwt.RegisteredClaims{
		ExpiresAt: jwt.NewNumericDate(g.Expires), IssuedAt: jwt.NewNumericDate(k.now()),
	}}
	if err := c.check(); err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = keys[0].ID
	s, err := t.SignedString(keys[0].Secret)
	if err != nil {
		return "", fmt.Errorf("minting a token: %w", err)
	}
	return s, nil
}

// Parse verifies a token and returns what it grants. Errors are *terms.Error: token_invalid, token_expired.
func (k *Keys) Parse(text string) (terms.Grant, error) {
	switch {
	case text == "":
		return terms.Grant{}, invalid("a token is needed")
	case len(text) > MaxToken:
		return terms.Grant{}, invalid("the token is longer than %d bytes", MaxToken)
	case isUserSig(text):
		return k.parseUserSig(text)
	}
	var c claims
	_, err := jwt.ParseWithClaims(text, &c, k.find,
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(),
		jwt.WithTimeFunc(k.now), jwt.WithLeeway(leeway), jwt.WithStrictDecoding())
	if err == nil {
		err = c.check()
	}
	if err != nil {
		return terms.Grant{}, refusal(err)
	}
	// The leeway is part of the grant: a later look at the grant must not refuse what was let in here.
	return terms.Grant{
		Room: c.Room, User: c.User, Role: c.Role, Rights: *c.Rights, Profile: terms.ProfileChange{Name: c.Name, Metadata: c.Metadata}, Expires: c.ExpiresAt.Add(leeway),
	}, nil
}

// Authenticate returns what the token grants to the user in the room. room and user may be zero if the caller
// takes them from the grant. Without any key it grants everything to everybody, whatever the token. Errors
// are *terms.Error: token_invalid, token_expired, or not_allowed for a token of another room or user.
func (k *Keys) Authenticate(text string, room terms.RoomID, user string) (terms.Grant, error) {
	if k.Open() {
		return terms.Grant{Rights: terms.AllRights()}, nil
	}
	g, err := k.Parse(text)
	switch {
	case err != nil:
		return terms.Grant{}, err
	case !room.IsZero() && !g.Room.IsZero() && room != g.Room:
		return terms.Grant{}, terms.Errorf(terms.CodeNotAllowed, "room", "the token is for another room")
	case user != "" && g.User != "" && user != g.User:
		return terms.Grant{}, terms.Errorf(terms.CodeNotAllowed, "user", "the token is for another user")
	}
	return g, nil
}

// find returns the key that a token names, or all. Ids are no secrets; signatures are compared in constant
// time.
func (k *Keys) find(t *jwt.Token) (any, error) {
	// RFC 7515, section 4.1.11: a reader that does not know what it names must refuse.
	if _, ok := t.Header["crit"]; ok {
		return nil, invalid("the token's header names extensions that are critical (crit), and none is known here")
	}
	kid, named := t.Header["kid"]
	var set jwt.VerificationKeySet
	for _, key := range *k.keys.Load() {
		if !named || kid == key.ID {
			set.Keys = append(set.Keys, key.Secret)
		}
	}
	if len(set.Keys) == 0 {
		return nil, errors.New("no such key")
	}
	return set, nil
}

// check looks at the claims that are ours, and makes the name what it is kept as.
func (c *claims) check() error {
	if c.Rights == nil {
		return invalid("the claim rights is missing")
	}
	if c.ExpiresAt == nil || c.ExpiresAt.Unix() <= 0 {
		return invalid("the claim exp is missing")
	}
	if (c.Room.IsZero() || c.User == "") && !c.Rights.Has(terms.RightAdmin) {
		return invalid("the claim room or user is missing")
	}
	if c.User != "" && terms.CheckUser(c.User) != nil {
		return invalid("the claim user is no user id")
	}
	if c.Role != "" && c.Role != terms.Anchor && c.Role != terms.Audience {
		return invalid("the claim role is neither anchor nor audience")
	}
	profile, err := terms.ProfileChange{Name: c.Name, Metadata: c.Metadata}.Check()
	if err != nil {
		return invalid("the claim %s: %s", terms.AsError(err).Field, terms.AsError(err).Text)
	}
	c.Name = profile.Name
	return nil
}

func invalid(format string, args ...any) *terms.Error {
	return terms.Errorf(terms.CodeTokenInvalid, "token", format, args...)
}

// refusal is what the client is told.
func refusal(err error) *terms.Error {
	var own *terms.Error
	switch {
	case errors.As(err, &own) && own.Code == terms.CodeTokenInvalid:
		return own
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return invalid("the token's signature is not of this service")
	case errors.Is(err, jwt.ErrTokenExpired):
		return terms.Errorf(terms.CodeTokenExpired, "token", "the token has expired")
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return invalid("the token is not valid yet")
	case errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return invalid("the claim exp is missing")
	}
	return invalid("the token cannot be read")
}
