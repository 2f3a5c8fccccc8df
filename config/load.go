package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/file"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Error is one thing that is wrong with the configuration.
type Error struct {
	Key    string // the setting; or the name of the variable or file that is no setting
	Source string // where the value came from; empty for a default
	Reason string
}

// Error returns key, source and reason.
func (e *Error) Error() string {
	if e.Source == "" {
		return e.Key + ": " + e.Reason
	}
	return fmt.Sprintf("%s (from %s): %s", e.Key, e.Source, e.Reason)
}

// Sources are the places that Load reads, besides the defaults.
type Sources struct {
	File    string         // path of a YAML file; empty: none
	Environ []string       // as os.Environ gives it; nil: os.Environ
	Flags   *pflag.FlagSet // parsed; flags that are no settings are ignored; nil: none
	// Reach says that the configuration is to reach a node, not to start one. Where it listens matters;
	// whether it has a key does not.
	Reach bool
	// NodeID is what node.id is if it is not set; empty: one is made up.
	NodeID string
}

// Flags adds the flags of the given settings to fs; with no key, of all.
func Flags(fs *pflag.FlagSet, keys ...string) {
	def := Default()
	for _, f := range fields {
		if len(keys) > 0 && !slices.Contains(keys, f.Key) {
			continue
		}
		doc := f.Doc + " $" + f.Env
		if b, isBool := f.value(&def).Interface().(bool); isBool {
			fs.Bool(f.Key, b, doc)
			continue
		}
		fs.Var(&flagValue{text: plain(f.value(&def).Interface()), kind: f.kind()}, f.Key, doc)
	}
}

// flagValue keeps the text of a flag; Load parses it together with the other layers.
type flagValue struct{ text, kind string }

func (v *flagValue) String() string     { return v.text }
func (v *flagValue) Type() string       { return v.kind }
func (v *flagValue) Set(s string) error { v.text = s; return nil }

// Load reads the layers over the defaults, fills in what is derived and checks everything. The error joins an
// *Error for each fault.
func Load(s Sources) (Config, error) {
	l := newLoader(Default())
	l.reach = s.Reach
	l.readFile(s.File)
	l.readEnv(s.Environ)
	l.readFlags(s.Flags)
	l.readKeysFile()
	l.readWebhookKey()
	l.readNATSPassword()
	l.check()
	if len(l.errs) > 0 {
		return Config{}, errors.Join(l.errs...)
	}
	if l.config.Node.ID == "" {
		l.config.Node.ID = s.NodeID
	}
	l.config.derive()
	return l.config, nil
}

// loader gathers values and faults, layer by layer.
type loader struct {
	config Config
	source map[string]string // of settings that are not defaults
	failed map[string]bool   // settings that have a fault; a second one would only follow from it
	errs   []error
	reach  bool // Sources.Reach
}

func newLoader(c Config) *loader {
	return &loader{config: c, source: map[string]string{}, failed: map[string]bool{}}
}

func (l *loader) fail(key, reason string) {
	if l.failed[key] {
		return
	}
	l.failed[key] = true
	l.errs = append(l.errs, &Error{Key: key, Source: l.source[key], Reason: reason})
}

func (l *loader) readFile(path string) {
	if path == "" {
		return
	}
	k := koanf.New(".")
	if err := k.Load(file.Provider(path), yaml.Parser()); err != nil {
		l.errs = append(l.errs, &Error{Key: "--config", Reason: fmt.Sprintf("cannot read %s: %v", path, err)})
		return
	}
	l.take(k, path)
}

func (l *loader) readEnv(environ []string) {
	if environ == nil {
		environ = os.Environ()
	}
	k := koanf.New(".")
	names := map[string]string{}
	provider := env.Provider(".", env.Opt{
		Prefix:      envPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			f, known := fieldByEnv(name)
			switch {
			case known:
				names[f.Key] = name
				return f.Key, value
			case !foreign(name, value):
				l.errs = append(l.errs, &Error{Key: Quotable(name), Source: "the environment", Reason: "there is no such setting" + similarEnv(name)})
			}
			return "", nil
		},
	})
	if err := k.Load(provider, nil); err != nil {
		l.errs = append(l.errs, fmt.Errorf("environment: %w", err))
		return
	}
	l.takeNamed(k, func(key string) string { return names[key] })
}

// kubernetes matches the variables in which Kubernetes describes every service to every container. A service
// named "sfu-media" has SFU_MEDIA_SERVICE_HOST, SFU_MEDIA_SERVICE_PORT_RTP, SFU_MEDIA_PORT_7882_UDP_ADDR and
// so on.
var kubernetes = regexp.MustCompile(`^SFU_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$`)

// serviceURL is how the value of a service's SFU_…_PORT begins.
var serviceURL = regexp.MustCompile(`^(tcp|udp|sctp)://`)

// foreign says whether a variable with our prefix is not meant for us. SFU_CONFIG is read by the command
// line, SFU_ACTIVE_HELP by completion, for which the script of fish sets it, and there is Kubernetes. A service's
// SFU_…_PORT could be a setting misspelt, but for its value.
func foreign(name, value string) bool {
	isPort := strings.HasSuffix(name, "_PORT") && serviceURL.MatchString(value)
	return name == "SFU_CONFIG" || name == "SFU_ACTIVE_HELP" || isPort || kubernetes.MatchString(name)
}

func (l *loader) readFlags(fs *pflag.FlagSet) {
	if fs == nil {
		return
	}
	k := koanf.New(".")
	provider := posflag.ProviderWithFlag(fs, ".", nil, func(f *pflag.Flag) (string, any) {
		if _, known := fieldByKey(f.Name); !known || !f.Changed {
			return "", nil
		}
		return f.Name, f.Value.String()
	})
	if err := k.Load(provider, nil); err != nil {
		l.errs = append(l.errs, fmt.Errorf("flags: %w", err))
		return
	}
	l.takeNamed(k, func(key string) string { return "--" + key })
}

func (l *loader) take(k *koanf.Koanf, source string) {
	l.takeNamed(k, func(string) string { return source })
}

// takeNamed moves the values of a layer into the configuration and refuses what is no setting.
func (l *loader) takeNamed(k *koanf.Koanf, source func(key string) string) {
	for _, key := range unknown(k.Raw(), "") {
		reason := "there is no such setting" + similar(key)
		if isSection(key) {
			reason = "is a section with settings in it"
		}
		l.errs = append(l.errs, &Error{Key: Quotable(key), Source: source(key), Reason: reason})
	}
	for _, f := range fields {
		if !k.Exists(f.Key) {
			continue
		}
		l.source[f.Key] = source(f.Key)
		delete(l.failed, f.Key) // each layer's fault is reported
		if err := f.set(&l.config, k.Get(f.Key)); err != nil {
			l.fail(f.Key, err.Error())
		}
	}
}

// unknown lists the paths of tree that are neither a setting nor a section with nothing in it, sorted.
func unknown(tree map[string]any, prefix string) []string {
	var out []string
	for name, value := range tree {
		path := prefix + name
		if _, known := fieldByKey(path); known {
			continue
		}
		switch sub, isMap := value.(map[string]any); {
		case !isSection(path):
			out = append(out, path)
		case isMap:
			out = append(out, unknown(sub, path+".")...)
		case value != nil:
			out = append(out, path)
		}
	}
	slices.Sort(out)
	return out
}

func isSection(path string) bool {
	return slices.ContainsFunc(fields, func(f Field) bool { return strings.HasPrefix(f.Key, path+".") })
}

// similar names a setting that was perhaps meant.
func similar(key string) string {
	if near := Nearest(key, append(Keys(), sections()...)); near != "" {
		return "; did you mean " + near + "?"
	}
	last := key[strings.LastIndexByte(key, '.')+1:]
	for _, f := range fields {
		if strings.HasSuffix(f.Key, "."+last) {
			return "; did you mean " + f.Key + "?"
		}
	}
	return "; `sfu config` lists all"
}

func similarEnv(name string) string {
	var names []string
	for _, f := range fields {
		names = append(names, f.Env)
	}
	if near := Nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	for _, f := range fields {
		if strings.HasSuffix(f.Env, "_"+name[strings.LastIndexByte(name, '_')+1:]) {
			return "; did you mean " + f.Env + "?"
		}
	}
	return "; `sfu config` lists all"
}

func (l *loader) readKeysFile() {
	if l.config.Auth.KeysFile == "" {
		return
	}
	keys, err := readKeys(l.config.Auth.KeysFile)
	if err != nil {
		l.fail("auth.keys_file", err.Error())
		return
	}
	l.config.Auth.Keys = append(l.config.Auth.Keys, keys...)
	l.config.Auth.fromFile = len(keys)
}
