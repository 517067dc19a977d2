package price

import (
	"bytes"
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"strings"
	"sync"
)

//go:embed prices.json
var prices []byte

// A Table holds prices by model. It is not changed once made.
type Table struct {
	source string
	models map[string]Price
	dates  map[string]string // of those that a file with a date had
}

// A TableError is what is wrong with a price file.
type TableError struct {
	File  string
	Model string // or empty: the file as a whole
	Err   error
}

func (e *TableError) Error() string {
	if e.Model == "" {
		return fmt.Sprintf("%s: %v", e.File, e.Err)
	}
	return fmt.Sprintf("%s: %s: %v", e.File, e.Model, e.Err)
}

func (e *TableError) Unwrap() error { return e.Err }

// Builtin returns the table that comes with the program.
var Builtin = sync.OnceValue(func() *Table {
	t, err := new(Table).Override("prices.json", prices)
	if err != nil {
		panic(err) // it is part of the program
	}
	return t
})

// Date is that of the file which the price of a model came from, if it has one.
func (t *Table) Date(model string) string {
	name, _ := t.entry(model)
	return t.dates[name]
}

// Source is the web page that the built-in prices were taken from.
func (t *Table) Source() string { return t.source }

// What a price file looks like. Prices are in USD for a million tokens.
type (
	tableFile struct {
		Date   string                     `json:"date"`   // of the prices, as YYYY-MM-DD
		Source string                     `json:"source"` // the page that they were taken from
		Note   string                     `json:"note"`
		Models map[string]json.RawMessage `json:"models"`
	}
	ratesFile struct {
		Input       json.RawMessage `json:"input"`
		CachedInput json.RawMessage `json:"cached_input"` // default: input
		CacheWrite  json.RawMessage `json:"cache_write"`  // default: input
		Output      json.RawMessage `json:"output"`
	}
	priceFile struct {
		ratesFile
		MaxOutput *int      `json:"max_output"` // tokens
		Long      *longFile `json:"long"`
		Note      string    `json:"note"`
	}
	longFile struct {
		Above int `json:"above"` // input tokens
		ratesFile
	}
)

// Override reads a price file and returns a table in which its entries stand in
// place of, and beside, those of t. The file is JSON:
//
//	{"models": {"gpt-5-mini": {"input": 0.25, "cached_input": 0.025, "output": 2, "max_output": 128000}}}
//
// An entry needs input and output, in USD for a million tokens. Without
// max_output it keeps that of the entry that it replaces. name is where data
// came from; errors are *TableError.
func (t *Table) Override(name string, data []byte) (*Table, error) {
	var f tableFile
	if err := strict(data, &f); err != nil {
		return nil, &TableError{File: name, Err: err}
	}
	if f.Models == nil {
		return nil, &TableError{File: name, Err: errors.New("it has no models")}
	}
	merged := &Table{cmp.Or(t.source, f.Source), map[string]Price{}, map[string]string{}}
	maps.Copy(merged.models, t.models)
	maps.Copy(merged.dates, t.dates)
	for model, raw := range f.Models {
		p, err := parsePrice(raw)
		if err != nil {
			return nil, &TableError{name, model, err}
		}
		if before, ok := t.Lookup(model); ok && p.MaxOutput == 0 {
			p.MaxOutput = before.MaxOutput
		}
		merged.models[model], merged.dates[model] = p, f.Date
	}
	return merged, nil
}

func parsePrice(raw json.RawMessage) (Price, error) {
	var f priceFile
	if err := strict(raw, &f); err != nil {
		return Price{}, err
	}
	var p Price
	var err error
	if p.Rates, err = f.rates(); err != nil {
		return Price{}, err
	}
	if f.MaxOutput != nil {
		if p.MaxOutput = *f.MaxOutput; p.MaxOutput < 1 || p.MaxOutput > MostTokens {
			return Price{}, errors.New("max_output must be a number of tokens")
		}
	}
	if f.Long == nil {
		return p, nil
	}
	if p.LongAbove = f.Long.Above; p.LongAbove < 1 || p.LongAbove > MostTokens {
		return Price{}, errors.New("long: above must be a number of tokens")
	}
	if p.Long, err = f.Long.rates(); err != nil {
		return Price{}, fmt.Errorf("long: %w", err)
	}
	return p, nil
}

func (f *ratesFile) rates() (r Rates, err error) {
	for _, field := range []struct {
		name string
		raw  json.RawMessage
		to   *Nano
		or   *Nano // its price by default; nil: there is none
	}{
		{"input", f.Input, &r.Input, nil},
		{"cached_input", f.CachedInput, &r.CachedInput, &r.Input},
		{"cache_write", f.CacheWrite, &r.CacheWrite, &r.Input},
		{"output", f.Output, &r.Output, nil},
	} {
		switch {
		case field.raw == nil && field.or == nil:
			return r, errors.New("it has no price for " + field.name)
		case field.raw == nil:
			*field.to = *field.or
			continue
		}
		price, err := ParseUSD(string(field.raw))
		if err != nil {
			return r, fmt.Errorf("%s: %w", field.name, err)
		}
		if price > maxPrice {
			return r, fmt.Errorf("%s: %s is more than a dollar a token", field.name, field.raw)
		}
		*field.to = price
	}
	return r, nil
}

// maxPrice is more than any model costs for a million tokens.
const maxPrice = 1e6 * Dollar

// strict reads one JSON value and takes no field that v does not have.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return errors.New("the JSON ends too early")
		}
		return errors.New(strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is something behind the JSON")
	}
	return nil
}

var dated = regexp.MustCompile(`-\d{4}-\d{2}-\d{2}$`)

// Undated is a model's name without the date of a snapshot.
func Undated(model string) string { return dated.ReplaceAllString(model, "") }

// Lookup returns the price of a model, if it is known. A dated snapshot
// (gpt-5-mini-2025-08-07) costs what its base name does unless it has an entry
// of its own, and a fine-tuned model (ft:gpt-4o-2024-08-06:us::1) what the
// entry of its base with ft: in front says.
func (t *Table) Lookup(model string) (Price, bool) {
	name, ok := t.entry(model)
	return t.models[name], ok
}

// entry is the name of the entry for a model.
func (t *Table) entry(model string) (string, bool) {
	if base, ok := strings.CutPrefix(model, "ft:"); ok {
		base, _, _ = strings.Cut(base, ":")
		model = "ft:" + base
	}
	if _, ok := t.models[model]; !ok {
		model = Undated(model)
	}
	_, ok := t.models[model]
	return model, ok
}
