package main

import (
	"bufio"
	"fmt"
	"html"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

var style = regexp.MustCompile("\x1b\\[([0-9;]*)m")

// colours are the sixteen of a terminal as far as our commands use them.
var colours = map[string]string{
	"31": "#e06c75", "32": "#98c379", "33": "#e5c07b", "34": "#61afef", "35": "#c678dd", "36": "#56b6c2", "90": "#7f848e",
}

// terminal draws text with colours, as tmux capture-pane -e prints it.
func terminal(in *bufio.Reader) (string, error) {
	data, err := io.ReadAll(in)
	if err != nil {
		return "", err
	}
	const line, char, margin = 18, 8.43, 16
	text := strings.TrimRight(string(data), "\n ")
	var b strings.Builder
	widest, y := 0, margin+14
	for l := range strings.SplitSeq(text, "\n") {
		widest = max(widest, utf8.RuneCountInString(style.ReplaceAllString(l, "")))
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" xml:space=\"preserve\">%s</text>\n", margin, y, spans(l))
		y += line
	}
	w := 2*margin + int(float64(widest)*char)
	return fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" font-family=\"monospace\" font-size=\"14\" fill=\"#abb2bf\">\n<rect width=\"100%%\" height=\"100%%\" rx=\"8\" fill=\"#282c34\"/>\n%s</svg>\n", w, y+margin-14, w, b.String()), nil
}

// spans writes a line with its styles, of which bold and colours count.
func spans(l string) string {
	var b strings.Builder
	open := false
	for {
		at := style.FindStringSubmatchIndex(l)
		if at == nil {
			break
		}
		b.WriteString(html.EscapeString(l[:at[0]]))
		if open {
			b.WriteString("</tspan>")
			open = false
		}
		attributes := ""
		for code := range strings.SplitSeq(l[at[2]:at[3]], ";") {
			switch colour, known := colours[code]; {
			case known:
				attributes += ` fill="` + colour + `"`
			case code == "1":
				attributes += ` font-weight="bold" fill="#ffffff"`
			}
		}
		if attributes != "" {
			b.WriteString("<tspan" + attributes + ">")
			open = true
		}
		l = l[at[1]:]
	}
	b.WriteString(html.EscapeString(l))
	if open {
		b.WriteString("</tspan>")
	}
	return b.String()
}
