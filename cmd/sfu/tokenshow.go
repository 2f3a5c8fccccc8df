package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"parlor/config"
	"parlor/session/terms"
	"parlor/session/token"
)

// The words for signatures.
const (
	signatureRight     = "right"
	signatureWrong     = "wrong"
	signatureUnchecked = "unchecked"
)

// shownToken is what `sfu token show` says.
type shownToken struct {
	Header    map[string]any `json:"Header"`
	Claims    map[string]any `json:"Claims"`
	Signature string         `json:"Signature"` // right, wrong; unchecked: no key is configured
	Accepted  bool           `json:"Accepted"`  // by a node with these keys
	Code      terms.Code     `json:"Code,omitempty"`
	Message   string         `json:"Message,omitempty"` // why it is not accepted
}

func tokenShowCommand() *cobra.Command {
	var o operator
	c := &cobra.Command{
		Use:   "show [TOKEN]",
		Short: "Show what a token says, and whether it holds",
		Long: `Show whom a token is for, what it allows and when it ends, and whether a node with the configured keys takes it. Without
TOKEN, or with -, it is read from standard input, so that other users of this machine do not see it among the arguments.
The exit code is 1 if the token does not hold.`,
		Example: `  sfu token show < token.txt
  sfu token create --room lobby --user ann | sfu token show --auth.keys_file sfu.keys`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			text, err := readToken(c, args)
			if err != nil {
				return err
			}
			return showToken(c, &o, text)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.json, "json", false, "print it as JSON")
	keyFlags(flags)
	return c
}

// readToken returns the token of the argument or of standard input.
func readToken(c *cobra.Command, args []string) (string, error) {
	text := ""
	if len(args) > 0 && args[0] != "-" {
		text = args[0]
	} else {
		if f, ok := c.InOrStdin().(*os.File); ok && terminal(f) {
			fmt.Fprintln(c.ErrOrStderr(), "Paste the token, then press Enter and Ctrl-D.")
		}
		read, err := io.ReadAll(io.LimitReader(c.InOrStdin(), 2*token.MaxToken))
		if err != nil {
			return "", fmt.Errorf("reading the token: %w", err)
		}
		text = string(read)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return "", usage("which token? It is read from standard input, or given as an argument: %s", c.UseLine())
	}
	return text, nil
}

func showToken(c *cobra.Command, o *operator, text string) error {
	cfg, err := loadFor(c, true)
	if err != nil {
		return err
	}
	keys, err := tokenKeys(cfg.Auth.Keys)
	if err != nil {
		return err
	}
	look, err := keys.Inspect(text)
	if err != nil {
		return wrong(err)
	}
	s := shownToken{Header: look.Header, Claims: look.Claims, Signature: signatureWrong}
	switch {
	case keys.Open():
		s.Signature = signatureUnchecked
	case look.Signed:
		s.Signature = signatureRight
	}
	if look.Err == nil {
		s.Accepted = true
	} else if !keys.Open() {
		e := terms.AsError(look.Err)
		s.Code, s.Message = e.Code, e.Text
	}
	if err := o.print(c.OutOrStdout(), view{answer: s, show: func(t *table) { t.token(s, time.Now()) }}); err != nil {
		return err
	}
	if s.Code != "" {
		return errors.New("the token does not hold: " + s.Message)
	}
	return nil
}

// tokenKeys are the configured keys as the node has them.
func tokenKeys(configured []config.Key) (*token.Keys, error) {
	keys := make([]token.Key, len(configured))
	for i, k := range configured {
		keys[i] = token.Key{ID: k.ID(), Secret: []byte(k.Secret())}
	}
	return token.New(nil, keys...)
}

// token shows a token. Nothing in it is sure unless it holds, so it may have been made to trick a terminal.
func (t *table) token(s shownToken, now time.Time) {
	rest := maps.Clone(s.Claims)
	take := func(name, without string) string {
		v, there := rest[name]
		delete(rest, name)
		if !there {
			return without
		}
		return claimText(v)
	}
	t.line("Token for user %s in room %s", take("user", "(any)"), roomClaim(rest))
	t.line("  rights:    %s", take("rights", "none are named"))
	if role := take("role", ""); role != "" {
		t.line("  role:      %s", role)
	}
	if made := timeClaim(rest, "iat", now); made != "" {
		t.line("  made:      %s", made)
	}
	end := timeClaim(rest, "exp", now)
	if end == "" {
		end = "it names no end"
	}
	t.line("  ends:      %s", end)
	for _, name := range slices.Sorted(maps.Keys(rest)) {
		t.line("  %-10s %s", safe(name)+":", claimText(rest[name]))
	}
	t.line("  signature: %s", s.signature())
	switch {
	case s.Accepted:
		t.line("A node with these keys takes it.")
	case s.Code != "":
		t.line("A node with these keys does not take it: %s.", s.Message)
	}
}

// signature tells of the signature and its key.
func (s shownToken) signature() string {
	by := "; it names no key"
	if kid, named := s.Header["kid"]; named {
		by = ", key " + claimText(kid)
	}
	switch s.Signature {
	case signatureUnchecked:
		return "not checked, since no key is configured: --auth.keys_file FILE" + by
	case signatureRight:
		return "right" + by
	}
	return "of none of the configured keys" + by
}

// roomClaim takes the room out of claims, and shows it as tables do.
func roomClaim(claims map[string]any) string {
	room, there := claims["room"]
	delete(claims, "room")
	switch r := room.(type) {
	case json.Number:
		return "#" + safe(r.String())
	case nil:
		if !there {
			return "(any)"
		}
	}
	return claimText(room)
}

// timeClaim takes a time out of claims, and says how far it is from now; "" if there is none.
func timeClaim(claims map[string]any, name string, now time.Time) string {
	number, ok := claims[name].(json.Number)
	if !ok {
		return ""
	}
	seconds, err := number.Float64()
	if err != nil || seconds < 0 || seconds > 1e11 {
		return ""
	}
	delete(claims, name)
	at := time.UnixMilli(int64(seconds * 1000))
	if left := at.Sub(now); left >= 0 {
		return since(at.UnixMilli()) + ", in " + span(left)
	}
	return since(at.UnixMilli()) + ", " + span(now.Sub(at)) + " ago"
}

// span shows a time in its two largest units.
func span(d time.Duration) string {
	s := int64(d / time.Second)
	switch {
	case s >= 86400:
		return fmt.Sprintf("%d d %d h", s/86400, s%86400/3600)
	case s >= 3600:
		return fmt.Sprintf("%d h %d min", s/3600, s%3600/60)
	case s >= 60:
		return fmt.Sprintf("%d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("%d s", s)
}

// claimText shows a claim: words as they are, lists with spaces, other things as JSON.
func claimText(v any) string {
	switch v := v.(type) {
	case string:
		return safe(v)
	case json.Number:
		return safe(v.String())
	case []any:
		words := make([]string, len(v))
		for i, one := range v {
			words[i] = claimText(one)
		}
		return strings.Join(words, " ")
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return safe(string(text))
}

// safe shows what may have been made to trick a terminal: as it is if it can be printed, else quoted.
func safe(text string) string {
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.QuoteToASCII(text)
	}
	return text
}
