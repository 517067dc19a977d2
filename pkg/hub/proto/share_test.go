package proto

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestSharedMessages(t *testing.T) {
	check := func(want, got any, err error) {
		t.Helper()
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
	}
	ask := Ask{ID: 1 << 40, Key: Key{1, 2, 3}}
	a, err := ParseAsk(ask.Append(nil))
	check(ask, a, err)
	asks := Asks{ask, {ID: 2}}
	as, err := ParseAsks(asks.Append(nil))
	check(asks, as, err)
	budget := Budget{"https://api.example.com/v1 default gpt-4o", 2.5, 0, 1e6}
	budgets := Budgets{budget, {Name: "other"}}
	bs, err := ParseBudgets(budgets.Append(nil))
	check(budgets, bs, err)
	start := Start{ID: 7, Tokens: MaxTokens, Budget: budget}
	s, err := ParseStart(start.Append(nil))
	check(start, s, err)
	for _, settle := range []Settle{{budget.Name, 1234, 5, time.Second}, {budget.Name, 0, 1234, 0}, {"", MaxTokens, MaxTokens, time.Hour}} {
		s, err := ParseSettle(settle.Append(nil))
		check(settle, s, err)
	}
	hold := Hold{budget.Name, time.Minute}
	h, err := ParseHold(hold.Append(nil))
	check(hold, h, err)
}

func TestBudgetsThatAreRefused(t *testing.T) {
	for _, b := range []Budget{
		{PerSecond: -1},
		{PerMinute: math.NaN()},
		{TokensPerMinute: math.Inf(1)},
		{Name: strings.Repeat("x", MaxName+1)},
	} {
		if _, err := ParseBudgets(Budgets{b}.Append(nil)); err != ErrMessage {
			t.Errorf("%+v: %v", b, err)
		}
		if _, err := ParseStart(Start{Budget: b}.Append(nil)); err != ErrMessage {
			t.Errorf("start with %+v: %v", b, err)
		}
	}
	if _, err := ParseStart(Start{Tokens: MaxTokens + 1}.Append(nil)); err != ErrMessage {
		t.Errorf("too many tokens: %v", err)
	}
	if _, err := ParseSettle(Settle{Reserved: MaxTokens + 1}.Append(nil)); err != ErrMessage {
		t.Errorf("too many tokens: %v", err)
	}
}

// Whatever comes, reading it ends in a message, which is written as it came, or in ErrMessage.
func FuzzShared(f *testing.F) {
	budget := Budget{"name", 1, 2, 3}
	for _, seed := range [][]byte{
		Ask{ID: 1, Key: Key{2}}.Append(nil),
		Asks{{ID: 1}, {ID: 2}}.Append(nil),
		Budgets{budget, {}}.Append(nil),
		Start{ID: 1, Tokens: 2, Budget: budget}.Append(nil),
		Settle{"name", 5, 6, time.Second}.Append(nil),
		Hold{"name", time.Second}.Append(nil),
		Stats{Sharing: Sharing{1, 2, []BudgetUse{{budget, 3, 4, 5}}}}.Append(nil),
	} {
		f.Add(seed)
	}
	type message interface{ Append([]byte) []byte }
	f.Fuzz(func(t *testing.T, in []byte) {
		check := func(m message, again func([]byte) (message, error), err error) {
			if err != nil {
				if err != ErrMessage {
					t.Fatalf("untyped error %v", err)
				}
				return
			}
			if got, err := again(m.Append(nil)); err != nil || !reflect.DeepEqual(got, m) {
				t.Fatalf("%+v came back as %+v, %v", m, got, err)
			}
		}
		ask, err := ParseAsk(in)
		check(ask, func(b []byte) (message, error) { return ParseAsk(b) }, err)
		asks, err := ParseAsks(in)
		check(asks, func(b []byte) (message, error) { return ParseAsks(b) }, err)
		budgets, err := ParseBudgets(in)
		check(budgets, func(b []byte) (message, error) { return ParseBudgets(b) }, err)
		start, err := ParseStart(in)
		check(start, func(b []byte) (message, error) { return ParseStart(b) }, err)
		settle, err := ParseSettle(in)
		check(settle, func(b []byte) (message, error) { return ParseSettle(b) }, err)
		hold, err := ParseHold(in)
		check(hold, func(b []byte) (message, error) { return ParseHold(b) }, err)
		stats, err := ParseStats(in)
		check(stats, func(b []byte) (message, error) { return ParseStats(b) }, err)
	})
}
