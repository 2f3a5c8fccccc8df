package token

import (
	"compress/zlib"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"parlor/session/terms"
)

// A UserSig proves who a user is, to an application that has a number (SdkAppId) and a key of that name. It is
// JSON with a signature in it, deflated (RFC 1950), in base64 with * - _ in place of + / =. A private map key is
// the same with a userbuf: the room, and what the user may do there. One may follow the other behind a dot.
// Formats: github.com/tencentyun/tls-sig-api-v2-golang.

const (
	userSigVersion = "2.0"
	// maxInflated is the length in bytes of the longest document that is read. One of a user id, a room name
	// and the rest has below 700.
	maxInflated = 4096
)

// userSig is a document. The names are those on the wire.
type userSig struct {
	Version    string `json:"TLS.ver"`
	Identifier string `json:"TLS.identifier"` // the user
	SDKAppID   uint32 `json:"TLS.sdkappid"`   // the application
	Time       int64  `json:"TLS.time"`       // when it was made, seconds
	Expire     int64  `json:"TLS.expire"`     // how long it holds, seconds
	Userbuf    string `json:"TLS.userbuf"`    // base64; empty: none
	Sig        string `json:"TLS.sig"`        // base64
}

// RequirePrivateMapKeys has a UserSig count only with a private map key. It is called before the keys are used.
func (k *Keys) RequirePrivateMapKeys() { k.mapKeys = true }

// Application reports whether there is a key of the application with that number (SdkAppId).
func (k *Keys) Application(sdkAppID uint32) bool {
	id := strconv.FormatUint(uint64(sdkAppID), 10)
	return slices.ContainsFunc(*k.keys.Load(), func(key Key) bool { return key.ID == id })
}

// isUserSig reports whether a token is no JWT, which has two dots.
func isUserSig(text string) bool { return strings.Count(text, ".") < 2 }

// parseUserSig verifies a UserSig, and a private map key behind it, and returns what they grant: all rights but
// admin in every room, or what the private map key says.
func (k *Keys) parseUserSig(text string) (terms.Grant, error) {
	text, more, has := strings.Cut(text, ".")
	g, mapped, err := k.signed(text)
	if err != nil {
		return terms.Grant{}, err
	}
	if has {
		key, ok, err := k.signed(more)
		switch {
		case err != nil:
			return terms.Grant{}, fmt.Errorf("the private map key: %w", err)
		case !ok:
			return terms.Grant{}, invalid("the private map key names no room: it is a UserSig")
		case key.User != g.User:
			return terms.Grant{}, invalid("the private map key is for another user than the UserSig")
		}
		if key.Expires.After(g.Expires) {
			key.Expires = g.Expires
		}
		g, mapped = key, true
	}
	if k.mapKeys && !mapped {
		return terms.Grant{}, invalid("a private map key is needed as well")
	}
	return g, nil
}

// signed verifies one document. mapped says that it is a private map key.
func (k *Keys) signed(text string) (g terms.Grant, mapped bool, err error) {
	s, err := readUserSig(text)
	if err != nil {
		return g, false, err
	}
	if !k.made(s) {
		return g, false, invalid("no key of application %d has signed the UserSig", s.SDKAppID)
	}
	g = terms.Grant{User: s.Identifier, Rights: terms.MemberRights(), Expires: k.at(s.Time + s.Expire)}
	if s.Userbuf != "" {
		end, err := s.restrict(&g)
		if err != nil {
			return g, false, err
		}
		if at := k.at(end); at.Before(g.Expires) {
			g.Expires = at
		}
		mapped = true
	}
	g.Expires = g.Expires.Add(leeway)
	if g.Expired(k.now()) {
		return g, false, terms.Errorf(terms.CodeTokenExpired, "token", "the UserSig has expired")
	}
	return g, mapped, nil
}

// at returns the time so many seconds after 1970, with the reading of the clock that counts what passes.
func (k *Keys) at(seconds int64) time.Time {
	now := k.now()
	return now.Add(time.Duration(seconds-now.Unix())*time.Second - time.Duration(now.Nanosecond()))
}

// made reports whether the application's key has signed the document.
func (k *Keys) made(s userSig) bool {
	sig, err := base64.StdEncoding.DecodeString(s.Sig)
	if err != nil {
		return false
	}
	text := fmt.Sprintf("TLS.identifier:%s\nTLS.sdkappid:%d\nTLS.time:%d\nTLS.expire:%d\n", s.Identifier, s.SDKAppID, s.Time, s.Expire)
	if s.Userbuf != "" {
		text += "TLS.userbuf:" + s.Userbuf + "\n"
	}
	id := strconv.FormatUint(uint64(s.SDKAppID), 10)
	for _, key := range *k.keys.Load() {
		if key.ID != id {
			continue
		}
		h := hmac.New(sha256.New, key.Secret)
		_, _ = io.WriteString(h, text)
		if hmac.Equal(h.Sum(nil), sig) {
			return true
		}
	}
	return false
}

// alphabet turns the base64 of UserSigs into the standard one.
var alphabet = strings.NewReplacer("*", "+", "-", "/", "_", "=")

// readUserSig reads a document, and believes nothing of it.
func readUserSig(text string) (s userSig, err error) {
	packed, err := base64.StdEncoding.DecodeString(alphabet.Replace(text))
	if err != nil {
		return s, invalid("the token is neither a JWT nor a UserSig")
	}
	z, err := zlib.NewReader(strings.NewReader(string(packed)))
	if err != nil {
		return s, invalid("the token is neither a JWT nor a UserSig")
	}
	doc, err := io.ReadAll(io.LimitReader(z, maxInflated+1))
	switch {
	case err != nil:
		return s, invalid("the UserSig is cut off")
	case len(doc) > maxInflated:
		return s, invalid("the UserSig holds more than %d bytes", maxInflated)
	}
	if err := json.Unmarshal(doc, &s); err != nil {
		return s, invalid("the UserSig holds no JSON with its fields")
	}
	switch {
	case s.Version != userSigVersion:
		return s, invalid("the UserSig is of version %.8q; %q is read", s.Version, userSigVersion)
	case terms.CheckUser(s.Identifier) != nil:
		return s, invalid("the UserSig's TLS.identifier is no user id")
	case s.Time < 0 || s.Expire < 0 || s.Time > maxTime || s.Expire > maxTime:
		return s, invalid("the UserSig's TLS.time or TLS.expire is no time in seconds")
	}
	return s, nil
}

// maxTime in seconds is the year 2106. The sum of two such times still fits into a time.Duration.
const maxTime = 1 << 32

// The privileges of a private map key.
var privileges = [...]struct {
	bit   uint32
	right terms.Right
}{
	{1 << 0, terms.RightCreate}, {1 << 1, terms.RightEnter}, {1 << 2, terms.RightSendAudio}, {1 << 3, terms.RightRecvAudio},
	{1 << 4, terms.RightSendVideo}, {1 << 5, terms.RightRecvVideo}, {1 << 6, terms.RightSendScreen}, {1 << 7, terms.RightRecvScreen},
}

// restrict makes the grant what the userbuf says, the room and the rights, and returns when that ends, in
// seconds after 1970. Its fields are a version, the user, the application, the room's number, the end, the
// privileges, a type of account that has no meaning here, and in version 1 the room's name, all in network
// byte order.
func (s userSig) restrict(g *terms.Grant) (end int64, err error) {
	b, err := base64.StdEncoding.DecodeString(s.Userbuf)
	if err != nil {
		return 0, invalid("the private map key's TLS.userbuf is no base64")
	}
	r := fields{b}
	version, user := r.number(1), r.text()
	app, number, until, may := r.number(4), r.number(4), r.number(4), r.number(4)
	_ = r.number(4)
	var name string
	if version == 1 {
		name = r.text()
	}
	switch {
	case r.b == nil || len(r.b) != 0 || version > 1:
		return 0, invalid("the private map key's TLS.userbuf is cut off, or of another kind")
	case user != s.Identifier || app != s.SDKAppID:
		return 0, invalid("the private map key's TLS.userbuf is for another user or application")
	}
	g.Room, err = room(name, number)
	if err != nil {
		return 0, invalid("the private map key names no room")
	}
	rights := []terms.Right{}
	for _, p := range privileges {
		if may&p.bit != 0 {
			rights = append(rights, p.right)
		}
	}
	if may&privileges[1].bit != 0 {
		rights = append(rights, terms.RightSendMessage) // there is no privilege for it: who may enter may
	}
	g.Rights, err = terms.NewRights(rights...)
	return int64(until), err
}

func room(name string, number uint32) (terms.RoomID, error) {
	if name != "" {
		return terms.StringRoom(name)
	}
	return terms.NumberRoom(int64(number))
}

// fields reads numbers and texts one after the other. b is nil once it was too short.
type fields struct{ b []byte }

func (f *fields) take(n int) []byte {
	if f.b == nil || len(f.b) < n {
		f.b = nil
		return nil
	}
	taken := f.b[:n]
	f.b = f.b[n:]
	return taken
}

func (f *fields) number(bytes int) uint32 {
	var whole [4]byte
	copy(whole[4-bytes:], f.take(bytes))
	return binary.BigEndian.Uint32(whole[:])
}

func (f *fields) text() string { return string(f.take(int(f.number(2)))) }
