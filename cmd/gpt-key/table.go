package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"gptpipe/pkg/audit"
	"gptpipe/pkg/cli"
)

// writeTable shows records to a person: one a line, or two where the terminal
// is narrower than that (width; 0: it is none), then the sums.
func writeTable(out io.Writer, records []audit.Record, width int) {
	ended := map[string]bool{}
	for _, r := range records {
		if r.Event == audit.End {
			ended[use(r.PID, r.Began)] = true
		}
	}
	rows := [][]string{{"TIME", "EVENT", "COMMAND", "PID", "PROFILE", "SOURCE", "KEY", "ENDPOINT", "MODEL", "REQUESTS", "TOKENS"}}
	for _, r := range records {
		rows = append(rows, columns(r, r.Event == audit.Begin && !ended[use(r.PID, r.Time)]))
	}
	if table := align(rows); width == 0 || widest(table) <= width {
		io.WriteString(out, table)
	} else {
		writeFolded(out, rows)
	}
	if used := sums(records); len(used) > 1 {
		io.WriteString(out, "\n"+align(used))
	}
}

// use identifies a process's use of a key.
func use(pid int, began time.Time) string { return fmt.Sprint(pid, began.UnixNano()) }

func columns(r audit.Record, open bool) []string {
	requests, tokens := "-", "-"
	if r.Event == audit.End {
		requests, tokens = strconv.FormatInt(r.Requests, 10), strconv.FormatInt(r.Tokens, 10)
	}
	row := []string{
		r.Time.Local().Format(time.DateTime), r.Event, r.Command, strconv.Itoa(r.PID),
		r.Profile, r.Source, r.Key, r.Endpoint, r.Model, requests, tokens,
	}
	for i, text := range row[1:] { // the time has a space of its own
		row[1+i] = cell(text)
	}
	if open {
		row[1] += " (no end)"
	}
	return row
}

// cell is a text as one line that is harmless for a terminal.
func cell(text string) string { return orDash(strings.Join(strings.Fields(cli.Printable(text)), " ")) }

// align writes rows with their columns below each other.
func align(rows [][]string) string {
	var text strings.Builder
	out := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(out, strings.Join(row, "\t"))
	}
	out.Flush()
	return text.String()
}

func widest(table string) (most int) {
	for line := range strings.Lines(table) {
		most = max(most, utf8.RuneCountInString(strings.TrimSuffix(line, "\n")))
	}
	return most
}

// writeFolded writes each row in two lines: who, and below, with what.
func writeFolded(out io.Writer, rows [][]string) {
	const first = 5
	var who [][]string
	for _, row := range rows {
		who = append(who, row[:first])
	}
	i := 0
	for line := range strings.Lines(align(who)) {
		fmt.Fprintf(out, "%s  %s\n", line, strings.Join(rows[i][first:], "  "))
		i++
	}
}

// sums are what each key of each profile was used for.
func sums(records []audit.Record) [][]string {
	type key struct{ profile, key string }
	type sum struct{ uses, requests, tokens int64 }
	all := map[key]*sum{}
	for _, r := range records {
		if r.Event != audit.Begin && r.Event != audit.End {
			continue
		}
		k := key{r.Profile, r.Key}
		if all[k] == nil {
			all[k] = new(sum)
		}
		if r.Event == audit.Begin {
			all[k].uses++
		}
		all[k].requests += r.Requests
		all[k].tokens += r.Tokens
	}
	rows := [][]string{{"PROFILE", "KEY", "USES", "REQUESTS", "TOKENS"}}
	order := func(a, b key) int { return cmp.Or(cmp.Compare(a.profile, b.profile), cmp.Compare(a.key, b.key)) }
	for _, k := range slices.SortedFunc(maps.Keys(all), order) {
		rows = append(rows, []string{cell(k.profile), cell(k.key),
			fmt.Sprint(all[k].uses), fmt.Sprint(all[k].requests), fmt.Sprint(all[k].tokens)})
	}
	return rows
}
