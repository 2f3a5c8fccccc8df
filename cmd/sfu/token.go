package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"parlor/config"
	"parlor/session/terms"
	"parlor/session/token"
)

func keyCommand() *cobra.Command {
	var id, out string
	create := &cobra.Command{
		Use:   "create",
		Short: "Make a key and print it as id:secret, or add it to a file",
		Example: `  sfu key create --out sfu.keys
  sfu --http.listen :8080 --auth.keys_file sfu.keys`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			secret := make([]byte, 32)
			if _, err := rand.Read(secret); err != nil {
				return err
			}
			key, err := config.ParseKey(id + ":" + hex.EncodeToString(secret))
			if err == nil && key.ID() != id {
				err = errors.New("a colon ends the id of a key")
			}
			if err != nil {
				return usage("--id: %w", err)
			}
			if out != "" {
				return appendKey(out, key)
			}
			warnReadable(c.ErrOrStderr(), c.OutOrStdout())
			_, err = fmt.Fprintln(c.OutOrStdout(), string(key))
			return err
		},
	}
	create.Flags().StringVar(&id, "id", "key-"+time.Now().UTC().Format("20060102"), "name of the key, which tokens carry")
	create.Flags().StringVar(&out, "out", "", "file to write it to, behind the keys that are in it; a new one is made so that only you can read it")
	return group("key", "Keys that tokens are signed with", create)
}

// appendKey adds a key to a file of keys by one write, since nodes may be watching it. A file that is not
// there is made for its owner only. One that is there keeps its rights, of which the node speaks.
func appendKey(path string, key config.Key) error {
	line := string(key) + "\n"
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case len(old) > 0:
		for l := range strings.Lines(string(old)) {
			if config.Key(strings.TrimSpace(l)).ID() == key.ID() {
				return usage("%s has a key with the id %q already; name this one by --id", path, key.ID())
			}
		}
		if !strings.HasSuffix(string(old), "\n") {
			line = "\n" + line
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(line); err != nil {
		return errors.Join(err, f.Close())
	}
	return f.Close()
}

// warnReadable says so if what is about to be written goes into a file that others can read.
func warnReadable(errOut, out io.Writer) {
	f, ok := out.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
		fmt.Fprintln(errOut, "sfu: others can read the file that the key goes into: chmod 600 it, or use --out FILE in place of > FILE")
	}
}

// tokenFlags are the flags of `sfu token create`.
type tokenFlags struct {
	room, user, role, key string
	name, metadata        string
	roomID                uint32
	rights                []string
	ttl                   time.Duration
	url                   bool
}

func tokenCommand() *cobra.Command {
	var f tokenFlags
	create := &cobra.Command{
		Use:   "create",
		Short: "Make a token for a user and print it",
		Example: `  sfu token create --room lobby --user ann
  sfu token create --room lobby --user bob --name "Bob Müller"
  sfu token create --room-id 123 --user ann --ttl 2h --rights enter,recv_audio,recv_video
  sfu token create --room lobby --user ann --url --node.url https://sfu.example.org`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.create(c) },
	}
	flags := create.Flags()
	flags.SortFlags = false
	flags.StringVar(&f.room, "room", "", "the room, by its name")
	flags.Uint32Var(&f.roomID, "room-id", 0, "the room, by its number: room 123 is not room \"123\"")
	flags.StringVar(&f.user, "user", "", "the user")
	flags.StringVar(&f.name, "name", "", "what people call the user; without it the user says that")
	flags.StringVar(&f.metadata, "metadata", "", "text of your application about the user, which the others get")
	flags.StringSliceVar(&f.rights, "rights", nil, "what the user may do: "+rightNames()+" (default: all but admin)")
	flags.StringVar(&f.role, "role", "", "audience: the user may not become anchor")
	flags.DurationVar(&f.ttl, "ttl", 24*time.Hour, "how long the token lets the user in")
	flags.StringVar(&f.key, "key", "", "id of the key to sign with (default: the first)")
	flags.BoolVar(&f.url, "url", false, "print the address of the demo page with the token in it, on node.url or else http.listen")
	keyFlags(flags, "node.url", "http.listen", "http.tls.cert", "http.tls.key", "http.demo")
	completeFlag(create, "rights", words(true, strings.Split(rightNames(), ",")...))
	completeFlag(create, "role", words(false, roles()...))
	return group("token", "Tokens that users enter with", create, tokenShowCommand())
}

// keyFlags adds the settings that say which keys there are, and further ones.
func keyFlags(f *pflag.FlagSet, further ...string) {
	f.String("config", os.Getenv("SFU_CONFIG"), "YAML file with settings, for its auth.keys. $SFU_CONFIG")
	config.Flags(f, append([]string{"auth.keys", "auth.keys_file"}, further...)...)
}

func (f *tokenFlags) create(c *cobra.Command) error {
	grant, err := f.grant()
	if err == nil {
		grant.Profile, err = f.profile(c)
	}
	if err != nil {
		return err
	}
	cfg, err := load(c)
	if err != nil {
		return err
	}
	key, err := f.choose(cfg.Auth.Keys)
	if err != nil {
		return err
	}
	keys, err := token.New(nil, token.Key{ID: key.ID(), Secret: []byte(key.Secret())})
	if err != nil {
		return err
	}
	text, err := keys.Mint(grant)
	if err != nil {
		return usage("%w", err)
	}
	if f.url {
		if text, err = f.link(cfg, text); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(c.OutOrStdout(), text)
	return err
}

// link returns the address of the demo page with a token. The token is behind the #, which browsers send to
// nobody.
func (f *tokenFlags) link(cfg config.Config, token string) (string, error) {
	if f.roomID != 0 {
		return "", usage("--url: the demo page enters rooms by their names, not by --room-id")
	}
	if !cfg.HTTP.Demo {
		return "", usage("--url: http.demo is off, so the node has no such page")
	}
	base, err := baseURL(cfg)
	if err != nil {
		return "", err
	}
	query := url.Values{}
	for name, value := range map[string]string{"room": f.room, "user": f.user, "role": f.role} {
		if value != "" {
			query.Set(name, value)
		}
	}
	page := strings.TrimSuffix(base, "/") + "/"
	if len(query) > 0 {
		page += "?" + query.Encode()
	}
	return page + "#token=" + token, nil
}

// baseURL is where clients reach a node of this configuration.
func baseURL(cfg config.Config) (string, error) {
	if cfg.Node.URL != "" {
		return cfg.Node.URL, nil
	}
	if cfg.HTTP.Listen.Port() == 0 {
		return "", usage("http.listen has port 0; say by --node.url where clients reach the node")
	}
	scheme := "http"
	if cfg.HTTP.TLS.Cert != "" {
		scheme = "https"
	}
	return scheme + "://" + cfg.HTTP.Listen.Reachable(), nil
}

func (f *tokenFlags) grant() (terms.Grant, error) {
	g := terms.Grant{User: f.user, Role: terms.Role(f.role), Rights: terms.MemberRights(), Expires: time.Now().Add(f.ttl)}
	if role := g.Role; role != "" && role != terms.Anchor && role != terms.Audience {
		return g, usage("--role: there is no role %.32q, only %s and %s%s", f.role, terms.Anchor, terms.Audience, meant(f.role, roles()))
	}
	if f.ttl < time.Second {
		return g, usage("--ttl %v has passed before anybody can enter", f.ttl)
	}
	if len(f.rights) > 0 {
		names := make([]terms.Right, len(f.rights))
		for i, r := range f.rights {
			names[i] = terms.Right(strings.TrimSpace(r))
		}
		var err error
		if g.Rights, err = terms.NewRights(names...); err != nil {
			return g, usage("--rights: %s%s; there are %s", terms.AsError(err).Text, meantRight(f.rights), rightNames())
		}
	}
	if f.user != "" {
		if err := terms.CheckUser(f.user); err != nil {
			return g, usage("--user: %s", terms.AsError(err).Text)
		}
	}
	admin := g.Rights.Has(terms.RightAdmin)
	if f.user == "" && !admin {
		return g, usage("--user is missing: who is the token for?")
	}
	if f.room == "" && f.roomID == 0 && !admin {
		return g, usage("--room or --room-id is missing: which room is the token for?")
	}
	if f.room == "" && f.roomID == 0 {
		return g, nil
	}
	var err error
	g.Room, err = roomOf(f.room, f.roomID)
	return g, err
}

// profile returns what the token fixes of the user's name and metadata.
func (f *tokenFlags) profile(c *cobra.Command) (p terms.ProfileChange, err error) {
	if c.Flags().Changed("name") {
		p.Name = &f.name
	}
	if c.Flags().Changed("metadata") {
		p.Metadata = &f.metadata
	}
	if p, err = p.Check(); err != nil {
		e := terms.AsError(err)
		return p, usage("--%s: %s", e.Field, e.Text)
	}
	return p, nil
}

// roomOf returns the room that is given by name or by number.
func roomOf(name string, number uint32) (terms.RoomID, error) {
	var room terms.RoomID
	var err error
	switch {
	case name != "" && number != 0:
		return room, usage("a room has a name or a number (--room-id), not both")
	case number != 0:
		room, err = terms.NumberRoom(int64(number))
	case name != "":
		room, err = terms.StringRoom(name)
	default:
		return room, usage("which room? Give its name, or its number by --room-id")
	}
	if err != nil {
		return room, usage("%s", terms.AsError(err).Text)
	}
	return room, nil
}

// choose finds the key to sign with.
func (f *tokenFlags) choose(keys []config.Key) (config.Key, error) {
	if len(keys) == 0 {
		return "", usage(`no key is configured, so the node asks for no token. To have one:
  sfu key create --out sfu.keys
and give it to this command and to the node with --auth.keys_file sfu.keys`)
	}
	if f.key == "" {
		return keys[0], nil
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		if ids[i] = strconv.Quote(k.ID()); k.ID() == f.key {
			return k, nil
		}
	}
	return "", usage("there is no key %.32q%s; there are %s", f.key, meant(strconv.Quote(f.key), ids), strings.Join(ids, ", "))
}

func roles() []string { return []string{string(terms.Anchor), string(terms.Audience)} }

// meantRight asks what the first right that there is not was meant to be.
func meantRight(rights []string) string {
	all := strings.Split(rightNames(), ",")
	for _, r := range rights {
		if r = strings.TrimSpace(r); !slices.Contains(all, r) {
			return meant(r, all)
		}
	}
	return ""
}

func rightNames() string {
	var names []string
	for _, r := range terms.AllRights().List() {
		names = append(names, string(r))
	}
	return strings.Join(names, ",")
}
