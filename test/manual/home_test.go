package manual

import (
	"fmt"
	"regexp"
	"strings"

	"gptpipe/test/standin"
)

// homeFiles are the files that examples find, by name.
func homeFiles() map[string]string {
	var book strings.Builder
	for day := 1; day <= 150; day++ {
		fmt.Fprintf(&book, "On day %d the ship sailed on before the wind. The crew mended the sails, and the cook made soup.\n\n", day)
	}
	return map[string]string{
		"book.txt":       book.String(),
		"paper.txt":      "We measure how sailing ships gave way to steam.\n",
		"words":          "sail\n-keel\n",
		"questions":      "Who invented the compass?\n-How deep is the sea?\n",
		"notes.jsonl":    `{"id":1,"text":"Whales are fish."}` + "\n" + `{"id":2,"text":"Ships float."}` + "\n",
		"articles.jsonl": `{"id":"a1","title":"Ships","body":"` + strings.Repeat("Ships sail the seas. ", 200) + `"}` + "\n",
		"sea.jsonl":      `{"text":"whale"}` + "\n" + `{"text":"Kraken"}` + "\n",
		"mails.txt":      "The invoice is wrong!\nThank you for your help.\n",
		"words.jsonl":    `{"text":"chien"}` + "\n" + `{"text":"chat"}` + "\n",
		"chapters/1.txt": "The ship leaves port.\n",
		"chapters/2.txt": "A storm comes up.\n",
		"chapters/3.txt": "Land!\n",
		"change.diff":    "-helo\n+hello\n",
		"key":            "sk-example-key-of-a-man-page-1234\n",
		"secret":         "example-secret\n",
		"bin/ssh":        "#!/bin/sh\n# ssh HOST COMMAND: here, in another home\nshift\nHOME=$HOME/laptop exec \"$@\"\n",
		"bin/pass":       "#!/bin/sh\necho sk-example-key-of-$2-9876\n",
		"laptop/.keep":   "",
	}
}

// models are those that servers have; none: any, under the name stand-in.
func models(alias string) []string {
	if strings.Contains(alias, ":11434") {
		return []string{"llama3.2"}
	}
	if strings.Contains(alias, "gateway") {
		return []string{"gpt-5-mini", "gpt-5"}
	}
	return nil
}

// answers are what the model says to a prompt that matches, the first that does.
var answers = []struct{ prompt, answer string }{
	{`chien$`, "dog"},
	{`chat$`, "cat"},
	{`In French:\s+Hello`, "Bonjour"},
	{`gave way to steam`, "How sailing ships gave way to steam."},
	{`Define: sail`, "A sheet of cloth that the wind drives a ship by."},
	{`Define: -keel`, "The beam along the bottom of a ship."},
	{`compass`, "Chinese scholars, about two thousand years ago."},
	{`How deep`, "About 3,700 metres, on average."},
	{`Lisbon`, "To the Alfama, on foot."},
	{`if it rains`, "To the tile museum."},
	{`What is a keel`, "The beam along the bottom of a ship."},
	{`What is a sail`, "A sheet of cloth that the wind drives a ship by."},
	{`capital of France`, `{"capital":"Paris"}`},
	{`Title for .*invoice`, "A wrong invoice"},
	{`Title for .*help`, "A thank-you"},
	{`Classify:\s+The invoice`, `{"label":"complaint"}`},
	{`Classify:`, `{"label":"praise"}`},
	{`(?i)Legend or real\?\s+(kraken)`, "legend"},
	{`Legend or real`, "real"},
	{`(?s)^Title:.*(ship|storm|land)`, "The $1"},
	{`(?s)^Title:.*Land`, "The coast"},
	{`(?s)^Summarise\.\s+(The ship|A storm|Land)`, "In short: $1."},
	{`Ships or trains`, "ships"},
	{`Correct it`, "Whales are mammals."},
	{`Echo:\s+(.*)`, "$1"},
	{`List the claims.\s+(.*)`, "$1"},
	{`Doubtful\?\s+Whales`, "yes"},
	{`Doubtful\?`, "no"},
	{`commit message`, "Spell hello right"},
	{`(?s)^Summarise (?:the whole|these summaries)`, "A long voyage before the wind."},
	{`(?s)^Summarise\..*?On day (\d+) `, "The voyage from day $1 on."},
}

func reply(prompt string) string {
	for _, a := range answers {
		if m := regexp.MustCompile(a.prompt).FindStringSubmatchIndex(prompt); m != nil {
			return string(regexp.MustCompile(a.prompt).ExpandString(nil, a.answer, prompt, m))
		}
	}
	return standin.Reply(prompt)
}
