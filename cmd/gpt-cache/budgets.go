package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"gptpipe/pkg/hub"
)

// budgets shows each rate budget with the limits in force, and for how long the server has asked to wait.
func budgets(b io.Writer, list []hub.BudgetUse) {
	for _, u := range list {
		if u.PerSecond == 0 && u.PerMinute == 0 && u.TokensPerMinute == 0 && u.Held <= 0 && u.Waiting == 0 {
			continue // nothing holds it
		}
		fmt.Fprintf(b, "budget: users %d, waiting %d", u.Users, u.Waiting)
		for _, l := range []struct {
			name  string
			value float64
		}{{"rps", u.PerSecond}, {"rpm", u.PerMinute}, {"tpm", u.TokensPerMinute}} {
			if l.value > 0 {
				fmt.Fprintf(b, ", %s %.10g", l.name, l.value)
			}
		}
		if u.Held > 0 {
			fmt.Fprintf(b, ", held %v", u.Held.Round(time.Second))
		}
		fmt.Fprintf(b, ", %s\n", printable(u.Name))
	}
}

// printable keeps a name on its line. Its parts, endpoint, profile and model, are lines.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return ' '
		case r < ' ' || r == 0x7f:
			return '?'
		}
		return r
	}, name)
}
