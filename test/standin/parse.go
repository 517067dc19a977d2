package standin

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ParseFaults reads a script of faults; the package comment has its grammar. An empty text is a script without faults.
func ParseFaults(text string) (Faults, error) {
	type rule struct {
		applies []func(Call) bool
		fault   Fault
	}
	var rules []rule
	for _, part := range strings.Split(text, ";") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		var r rule
		var err error
		conditions, fault := "", part
		if colon := strings.LastIndexByte(part, ':'); colon >= 0 {
			conditions, fault = part[:colon], part[colon+1:]
		}
		if r.applies, err = parseConditions(conditions); err != nil {
			return nil, fmt.Errorf("fault %q: %w", part, err)
		}
		if r.fault, err = ParseFault(fault); err != nil {
			return nil, fmt.Errorf("fault %q: %w", part, err)
		}
		rules = append(rules, r)
	}
	return func(c Call) Fault {
	next:
		for _, r := range rules {
			for _, applies := range r.applies {
				if !applies(c) {
					continue next
				}
			}
			return r.fault
		}
		return Fault{}
	}, nil
}

// MustFaults is ParseFaults for texts that are part of the program; it panics where ParseFaults fails.
func MustFaults(text string) Faults {
	f, err := ParseFaults(text)
	if err != nil {
		panic(err)
	}
	return f
}

func parseConditions(text string) ([]func(Call) bool, error) {
	var out []func(Call) bool
	for text != "" {
		if expr, ok := strings.CutPrefix(text, "body~"); ok { // takes the rest: & is common in expressions
			re, err := regexp.Compile(expr)
			if err != nil {
				return nil, err
			}
			return append(out, func(c Call) bool { return re.Match(c.Body) }), nil
		}
		var one string
		one, text, _ = strings.Cut(text, "&")
		applies, err := parseCondition(one)
		if err != nil {
			return nil, err
		}
		out = append(out, applies)
	}
	return out, nil
}

func parseCondition(text string) (func(Call) bool, error) {
	i := strings.IndexAny(text, "=<")
	if i < 0 {
		return nil, fmt.Errorf("%q is no condition", text)
	}
	n, err := strconv.Atoi(text[i+1:])
	if err != nil || n < 0 {
		return nil, fmt.Errorf("%q: %q is no count", text, text[i+1:])
	}
	switch text[:i+1] {
	case "every=":
		if n == 0 {
			return nil, errors.New("every=0 is never")
		}
		return func(c Call) bool { return c.N%n == 0 }, nil
	case "first=":
		return func(c Call) bool { return c.N <= n }, nil
	case "after=":
		return func(c Call) bool { return c.N > n }, nil
	case "at=":
		return func(c Call) bool { return c.N == n }, nil
	case "seen=":
		return func(c Call) bool { return c.Seen == n }, nil
	case "seen<":
		return func(c Call) bool { return c.Seen < n }, nil
	}
	return nil, fmt.Errorf("%q is no condition", text)
}

// ParseFault reads one fault: a kind and its options, the part of a rule behind the colon.
func ParseFault(text string) (Fault, error) {
	items := strings.Split(text, ",")
	f := Fault{text: text, amount: -1, header: map[string]string{}}
	if err := f.parseKind(strings.TrimSpace(items[0])); err != nil {
		return Fault{}, err
	}
	for _, option := range items[1:] {
		if err := f.parseOption(strings.TrimSpace(option)); err != nil {
			return Fault{}, err
		}
	}
	return f, nil
}

func (f *Fault) parseKind(text string) error {
	name, value, hasValue := strings.Cut(text, "=")
	var err error
	switch numbered, known := kinds[name]; {
	case name == "slow":
		f.kind = "ok"
		f.slow, err = time.ParseDuration(value)
		return err
	case name == "drip":
		f.kind, f.gap = name, time.Millisecond
		if hasValue {
			f.gap, err = time.ParseDuration(value)
		}
		return err
	case known && hasValue && numbered:
		f.kind = name
		if f.amount, err = strconv.Atoi(value); err != nil || f.amount < 0 {
			return fmt.Errorf("%q is no count", value)
		}
		return nil
	case known && !hasValue:
		f.kind = name
		return nil
	}
	var ok bool
	if f.status, f.code, ok = statusKind(text); !ok {
		return fmt.Errorf("%q is no kind of fault", text)
	}
	f.kind = "status"
	return nil
}

func (f *Fault) parseOption(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok {
		return fmt.Errorf("%q is no option: it has no value", text)
	}
	var err error
	switch name {
	case "slow":
		f.slow, err = time.ParseDuration(value)
	case "code":
		f.code = value
	case "retry-after-date":
		f.retryAfter, err = time.ParseDuration(value)
	default:
		f.header[name] = value
	}
	return err
}
