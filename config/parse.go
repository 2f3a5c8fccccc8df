package config

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// set parses raw, what a layer holds for the field, into c. If that fails, c keeps what it had. Environment
// and flags give strings, lists with commas in them; a file gives what YAML makes of it.
func (f Field) set(c *Config, raw any) error {
	parsed := *c
	err := f.parse(&parsed, raw)
	if err == nil {
		*c = parsed
	}
	return err
}

func (f Field) parse(c *Config, raw any) (err error) {
	switch p := f.value(c).Addr().Interface().(type) {
	case *Address:
		*p, err = scalar(raw, optionalAddress)
	case *string:
		*p, err = scalar(raw, func(s string) (string, error) { return s, nil })
	case *Secret:
		*p, err = scalar(raw, func(s string) (Secret, error) { return Secret(s), nil })
	case *[]int:
		*p, err = list(raw, parseEventType)
	case *int:
		*p, err = scalar(raw, parseInt)
	case *bool:
		*p, err = scalar(raw, parseBool)
	case *time.Duration:
		*p, err = scalar(raw, parseDuration)
	case *[]string:
		*p, err = list(raw, func(s string) (string, error) { return s, nil })
	case *[]netip.Addr:
		*p, err = list(raw, parseIP)
	case *[]netip.Prefix:
		*p, err = list(raw, parseNetwork)
	case *[]Key:
		*p, err = list(raw, ParseKey)
	default:
		panic("config: no parser for the type of " + f.Key)
	}
	return err
}

func scalar[T any](raw any, parse func(string) (T, error)) (T, error) {
	text, err := text(raw)
	if err != nil {
		var zero T
		return zero, err
	}
	return parse(text)
}

func text(raw any) (string, error) {
	switch v := raw.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	case bool, int, int64, uint64, float64:
		return fmt.Sprint(v), nil
	case []any:
		return "", errors.New("one value is needed, not a list")
	case map[string]any:
		return "", errors.New("one value is needed, not a section")
	default:
		return "", fmt.Errorf("one value is needed, not %T", raw)
	}
}

func list[T any](raw any, parse func(string) (T, error)) ([]T, error) {
	items, err := elements(raw)
	if err != nil {
		return nil, err
	}
	out := make([]T, 0, len(items))
	var errs []error
	for _, item := range items {
		v, err := scalar(item, parse)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, v)
	}
	return out, errors.Join(errs...)
}

func elements(raw any) ([]any, error) {
	switch v := raw.(type) {
	case nil:
		return nil, nil
	case []any:
		return v, nil
	case []string:
		out := make([]any, len(v))
		for i := range v {
			out[i] = v[i]
		}
		return out, nil
	case map[string]any:
		return nil, errors.New("a list is needed, not a section")
	}
	all, err := text(raw)
	if err != nil {
		return nil, err
	}
	var out []any
	for part := range strings.SplitSeq(all, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out, nil
}

func optionalAddress(s string) (Address, error) {
	if s == "" {
		return "", nil
	}
	return parseAddress(s)
}

func parseInt(s string) (int, error) {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is no whole number", s)
	}
	return int(n), nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "yes", "on", "1":
		return true, nil
	case "false", "no", "off", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration, such as 500ms, 8s or 10m", s)
	}
	return d, nil
}

func parseIP(s string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("%q is no IP address", s)
	}
	return ip, nil
}

// parseNetwork reads a network, or an address, which is a network of one.
func parseNetwork(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil && ip.Zone() == "" {
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no address or network, such as 10.0.0.1 or 10.0.0.0/8", s)
	}
	if p.Masked() != p {
		return netip.Prefix{}, fmt.Errorf("%q has bits beyond its length; %s is the network", s, p.Masked())
	}
	return p, nil
}
