package config

import (
	"reflect"
	"slices"
	"strings"
	"time"
)

// envPrefix is what the environment variables of this program start with.
const envPrefix = "SFU_"

// Field describes one setting.
type Field struct {
	Key string // as in the file and the flags: http.listen
	Env string // SFU_HTTP_LISTEN
	Doc string // one or two sentences

	index []int // of the struct field in Config
}

var fields = collect(reflect.TypeFor[Config](), "", nil)

// Fields returns all settings in the order of Config.
func Fields() []Field { return append([]Field(nil), fields...) }

// Keys returns the keys of all settings.
func Keys() []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.Key
	}
	return keys
}

// sections returns the names of all sections, such as http.tls.
func sections() []string {
	var names []string
	for _, f := range fields {
		for i, c := range f.Key {
			if c == '.' && !slices.Contains(names, f.Key[:i]) {
				names = append(names, f.Key[:i])
			}
		}
	}
	return names
}

func collect(t reflect.Type, prefix string, index []int) []Field {
	var out []Field
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		key := prefix + f.Tag.Get("koanf")
		path := append(append([]int(nil), index...), i)
		doc := f.Tag.Get("doc")
		if doc == "" {
			out = append(out, collect(f.Type, key+".", path)...)
			continue
		}
		env := envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
		out = append(out, Field{Key: key, Env: env, Doc: doc, index: path})
	}
	return out
}

// value returns the setting's place in c.
func (f Field) value(c *Config) reflect.Value { return reflect.ValueOf(c).Elem().FieldByIndex(f.index) }

// kind names the type of the setting for people.
func (f Field) kind() string {
	switch f.value(new(Config)).Interface().(type) {
	case Address:
		return "address"
	case int:
		return "number"
	case bool:
		return "bool"
	case string, Secret:
		return "text"
	case time.Duration:
		return "duration"
	default:
		return "list"
	}
}

func fieldByKey(key string) (Field, bool) {
	for _, f := range fields {
		if f.Key == key {
			return f, true
		}
	}
	return Field{}, false
}

func fieldByEnv(env string) (Field, bool) {
	for _, f := range fields {
		if f.Env == env {
			return f, true
		}
	}
	return Field{}, false
}

// Changed returns the keys of the settings that differ between two configurations. auth.keys are those that do
// not stand in auth.keys_file.
func Changed(a, b *Config) []string {
	one, other := *a, *b
	one.Auth.Keys, other.Auth.Keys = a.Auth.configured(), b.Auth.configured()
	var keys []string
	for _, f := range fields {
		x, y := f.value(&one), f.value(&other)
		none := x.Kind() == reflect.Slice && x.Len() == 0 && y.Len() == 0
		if !none && !reflect.DeepEqual(x.Interface(), y.Interface()) {
			keys = append(keys, f.Key)
		}
	}
	return keys
}
