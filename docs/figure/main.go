// Figure makes the pictures of the README: of the figures that make bench
// prints, and of a terminal that tmux has captured.
//
//	make bench | tee bench.txt; go run ./docs/figure bars <bench.txt >docs/performance.svg
//	tmux capture-pane -ep | go run ./docs/figure terminal >docs/terminal.svg
package main

import (
	"bufio"
	"fmt"
	"os"
)

func main() {
	draw := map[string]func(*bufio.Reader) (string, error){"bars": bars, "terminal": terminal}
	if len(os.Args) != 2 || draw[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: figure bars|terminal <TEXT >PICTURE.svg")
		os.Exit(2)
	}
	svg, err := draw[os.Args[1]](bufio.NewReader(os.Stdin))
	if err != nil {
		fmt.Fprintln(os.Stderr, "figure:", err)
		os.Exit(1)
	}
	fmt.Print(svg)
}
