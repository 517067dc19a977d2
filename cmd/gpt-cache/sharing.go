package main

import (
	"fmt"
	"strings"
	"time"

	"gptpipe/pkg/hub"
)

// sharing shows the questions that somebody asks the model just now, those who wait for their answers, and each rate
// budget with the limits in force, and for how long the server has asked to wait.
func sharing(b *strings.Builder, s hub.Sharing) {
	fmt.Fprintf(b, "leases: %d\nwaiting: %d\n", s.Leases, s.Waiting)
	for _, u := range s.Budgets {
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
