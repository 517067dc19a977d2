package main

import (
	"bufio"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// A panel is a group of bars of one unit.
type panel struct {
	title string
	bars  []bar
}

// A bar is a figure that a benchmark reports: the line that it stands in, and
// its unit there.
type bar struct {
	label, line, unit string
	ours              bool
	value             float64
}

var panels = []panel{
	{"requests a second, 64 at once, client and server on two cores", []bar{
		{label: "gpt-map: records, template, order", line: "BenchmarkThroughput", unit: "gpt-map/s", ours: true},
		{label: "Go net/http, a bare loop", line: "BenchmarkThroughput", unit: "net/http-loop/s"},
		{label: "wrk, which looks into no answer", line: "BenchmarkThroughput", unit: "wrk/s"},
		{label: "gpt-map, answers from the cache", line: "BenchmarkHits", unit: "hits/s", ours: true},
	}},
	{"MB of text counted a second, one core, o200k_base", []bar{
		{label: "gptpipe, English", line: "BenchmarkCount/o200k_base/english", unit: "MB/cpu-s", ours: true},
		{label: "npm tiktoken, English", line: "BenchmarkReference/o200k_base/english", unit: "MB/cpu-s"},
		{label: "gptpipe, Chinese", line: "BenchmarkCount/o200k_base/chinese", unit: "MB/cpu-s", ours: true},
		{label: "npm tiktoken, Chinese", line: "BenchmarkReference/o200k_base/chinese", unit: "MB/cpu-s"},
		{label: "gptpipe, code", line: "BenchmarkCount/o200k_base/code", unit: "MB/cpu-s", ours: true},
		{label: "npm tiktoken, code", line: "BenchmarkReference/o200k_base/code", unit: "MB/cpu-s"},
	}},
}

var figure = regexp.MustCompile(`([0-9.]+) (\S+)`)

// bars draws the figures that are in the output of go test -bench.
func bars(in *bufio.Reader) (string, error) {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		name, _, _ := strings.Cut(lines.Text(), " ")
		name, _, _ = strings.Cut(name, "\t")
		for p := range panels {
			for i := range panels[p].bars {
				panels[p].bars[i].read(name, lines.Text())
			}
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return drawPanels()
}

// read takes the bar's figure from a line, if it stands there.
func (b *bar) read(name, line string) {
	if name = strings.TrimSuffix(name, "-2"); name != b.line {
		return
	}
	for _, m := range figure.FindAllStringSubmatch(line, -1) {
		if m[2] == b.unit {
			b.value, _ = strconv.ParseFloat(m[1], 64)
		}
	}
}

const (
	width, left, right = 760, 250, 70
	row, gap           = 26, 44
)

func drawPanels() (string, error) {
	var b strings.Builder
	y := 0
	for _, p := range panels {
		most := 0.0
		for _, bar := range p.bars {
			if bar.value == 0 {
				return "", errors.New("no figure for: " + bar.label)
			}
			most = max(most, bar.value)
		}
		y += 24
		fmt.Fprintf(&b, "<text x=\"8\" y=\"%d\" font-weight=\"bold\">%s</text>\n", y, p.title)
		y += 12
		for _, bar := range p.bars {
			colour := "#9aa5b1"
			if bar.ours {
				colour = "#2f6f9f"
			}
			length := bar.value / most * (width - left - right)
			fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", left-8, y+16, bar.label)
			fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"18\" fill=\"%s\"/>", left, y+3, length, colour)
			fmt.Fprintf(&b, "<text x=\"%.1f\" y=\"%d\">%s</text>\n", left+length+6, y+16, number(bar.value))
			y += row
		}
		y += gap - 24
	}
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#1f2933\">\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n%s</svg>\n", width, y, width, b.String()), nil
}

// number writes two significant digits below ten, else whole thousands apart.
func number(v float64) string {
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	if len(s) > 4 {
		s = s[:len(s)-3] + "," + s[len(s)-3:]
	}
	return s
}
