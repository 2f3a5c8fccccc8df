package config

import (
	"bytes"
	"fmt"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// YAML returns the configuration as a file that Load reads, each setting with a comment that says what it
// does. Secrets are masked: keys, which then have to be put in again, and passwords and the like in
// addresses.
func (c Config) YAML() ([]byte, error) {
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, f := range fields {
		parent := root
		parts := strings.Split(f.Key, ".")
		for _, name := range parts[:len(parts)-1] {
			parent = section(parent, name)
		}
		name := &yaml.Node{Kind: yaml.ScalarNode, Value: parts[len(parts)-1], HeadComment: wrap(f.Doc, 100) + "\n" + f.Env}
		parent.Content = append(parent.Content, name, c.node(f))
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(root); err != nil {
		return nil, fmt.Errorf("print the configuration: %w", err)
	}
	return out.Bytes(), enc.Close()
}

// section returns the mapping named name in parent and adds it if it is not there.
func section(parent *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(parent.Content); i += 2 {
		if parent.Content[i].Value == name {
			return parent.Content[i+1]
		}
	}
	sub := &yaml.Node{Kind: yaml.MappingNode}
	parent.Content = append(parent.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: name}, sub)
	return sub
}

func (c Config) node(f Field) *yaml.Node {
	switch v := f.value(&c).Interface().(type) {
	case int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: strconv.Itoa(v)}
	case bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strconv.FormatBool(v)}
	case []string, []Key, []netip.Addr, []netip.Prefix, []int:
		seq := &yaml.Node{Kind: yaml.SequenceNode, Style: yaml.FlowStyle}
		for _, item := range items(v) {
			seq.Content = append(seq.Content, quoted(item))
		}
		return seq
	default:
		text := plain(v)
		switch f.Key {
		case "nats.url":
			text = Redact(text)
		case "webhook.url":
			text = redactURL(text)
		}
		return quoted(text)
	}
}

func quoted(text string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
	if text == "" || strings.ContainsAny(text, ":#*[]{}") {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}

// plain returns a value as text, as an environment variable would hold it; keys without their secrets.
func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case Address:
		return string(v)
	case time.Duration:
		return shortDuration(v)
	case []string, []Key, []netip.Addr, []netip.Prefix, []int:
		return strings.Join(items(v), ",")
	default:
		return fmt.Sprint(v)
	}
}

func items(v any) []string {
	var out []string
	switch v := v.(type) {
	case []string:
		out = v
	case []Key:
		for _, k := range v {
			out = append(out, k.String())
		}
	case []netip.Addr:
		for _, ip := range v {
			out = append(out, ip.String())
		}
	case []netip.Prefix:
		for _, p := range v {
			out = append(out, p.String())
		}
	case []int:
		for _, n := range v {
			out = append(out, strconv.Itoa(n))
		}
	}
	return out
}

// shortDuration drops the zero parts with which time.Duration ends: 10m instead of 10m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// Redact masks passwords and tokens in a list of URLs.
func Redact(list string) string {
	servers := strings.Split(list, ",")
	for i, s := range servers {
		if u, err := url.Parse(strings.TrimSpace(s)); err == nil {
			if u.User != nil {
				u.User = url.User("xxxxx") // a user name alone may be a token
			}
			servers[i] = u.String()
		}
	}
	return strings.Join(servers, ",")
}

// wrap breaks text into lines of at most width bytes.
func wrap(text string, width int) string {
	var b strings.Builder
	used := 0
	for i, word := range strings.Fields(text) {
		switch {
		case i == 0:
		case used+1+len(word) > width:
			b.WriteByte('\n')
			used = 0
		default:
			b.WriteByte(' ')
			used++
		}
		b.WriteString(word)
		used += len(word)
	}
	return b.String()
}
