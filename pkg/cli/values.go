package cli

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Duration is a flag value: a Go duration as 90s or 1h30m, or days as 7d.
// It is never negative.
type Duration time.Duration

// Set reads s, for flag.Value.
func (d *Duration) Set(s string) error {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || n < 0 || n > 36500 || math.IsNaN(n) {
			return fmt.Errorf("not a number of days")
		}
		*d = Duration(n * 24 * float64(time.Hour))
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return fmt.Errorf("not a duration such as 90s, 5m, 24h or 7d")
	}
	if v < 0 {
		return fmt.Errorf("negative")
	}
	*d = Duration(v)
	return nil
}

func (d *Duration) String() string { return time.Duration(*d).String() }

// A Limit is a flag value: a number above zero, or 0 for none given.
type Limit float64

// Set reads s, for flag.Value.
func (l *Limit) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return fmt.Errorf("not a number above zero")
	}
	*l = Limit(v)
	return nil
}

func (l *Limit) String() string { return strconv.FormatFloat(float64(*l), 'g', -1, 64) }

// A Count is a flag value: a whole number, at least Min and, if Max is not 0,
// at most Max.
type Count struct {
	N        int
	Min, Max int
}

// Set reads s, for flag.Value.
func (c *Count) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return fmt.Errorf("not a whole number")
	}
	if n < c.Min {
		return fmt.Errorf("less than %d", c.Min)
	}
	if c.Max != 0 && n > c.Max {
		return fmt.Errorf("more than %d", c.Max)
	}
	c.N = n
	return nil
}

func (c *Count) String() string { return strconv.Itoa(c.N) }

// A List is a flag value that can be given again and again.
type List []string

// Set adds s, for flag.Value.
func (l *List) Set(s string) error { *l = append(*l, s); return nil }

func (l *List) String() string { return strings.Join(*l, ",") }

// A Choice is a flag value that is one of a few words.
type Choice struct {
	Value string
	Of    []string
}

// Set takes s if it is one of the words, for flag.Value.
func (c *Choice) Set(s string) error {
	for _, word := range c.Of {
		if s == word {
			c.Value = s
			return nil
		}
	}
	return fmt.Errorf("none of %s", strings.Join(c.Of, ", "))
}

func (c *Choice) String() string { return c.Value }

// Text is the value of a flag that takes a text or, as @FILE, the name of a
// file that holds it; @@ at the start is a plain @. The newline that ends the
// file is not part of the text, which is UTF-8.
func Text(value string) (string, error) {
	switch {
	case strings.HasPrefix(value, "@@"):
		value = value[1:]
	case strings.HasPrefix(value, "@"):
		data, err := os.ReadFile(value[1:])
		if err != nil {
			return "", fmt.Errorf("%s: %w", value[1:], cause(err))
		}
		value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	}
	if !utf8.ValidString(value) {
		return "", errors.New("not valid UTF-8")
	}
	return value, nil
}
