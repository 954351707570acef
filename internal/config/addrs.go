package config

import "fmt"

// Addrs are addresses such as kafka1:9092. In a flow list, [kafka1:9092], the YAML library takes one for a mapping where
// YAML says it is a word; it is put together again.
type Addrs []string

// UnmarshalYAML reads a list of addresses, or a single one.
func (a *Addrs) UnmarshalYAML(unmarshal func(any) error) error {
	var raw any
	if err := unmarshal(&raw); err != nil {
		return err
	}
	list, ok := raw.([]any)
	if !ok && raw != nil {
		list = []any{raw}
	}
	out := make(Addrs, 0, len(list))
	for _, x := range list {
		switch x := x.(type) {
		case string:
			out = append(out, x)
			continue
		case map[string]any:
			for host, port := range x {
				if n, ok := port.(uint64); ok && len(x) == 1 {
					out = append(out, fmt.Sprintf("%s:%d", host, n))
				}
			}
			if len(x) == 1 {
				continue
			}
		}
		return fmt.Errorf("%v is not an address such as kafka1:9092", x)
	}
	*a = out
	return nil
}
