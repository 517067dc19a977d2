package main

import (
	"context"
	"strings"
	"unicode/utf8"

	"gptpipe/pkg/cli"
	"gptpipe/pkg/client"
	"gptpipe/pkg/llm"
	"gptpipe/pkg/record"
)

// options are the flags of gpt-ask alone.
type options struct {
	noStdin bool
	images  cli.List
	chat    string
	jsonl   bool
	stream  bool
}

func (o *options) register(f *cli.Flags) {
	f.BoolVar(&o.noStdin, "no-stdin", false, "")
	f.Var(&o.images, "image", "")
	f.StringVar(&o.chat, "chat", "", "")
	f.BoolVar(&o.jsonl, "jsonl", false, "")
	f.BoolVar(&o.stream, "stream", false, "")

	f.Letter('n', "no-stdin")
}

func run(ctx context.Context, sys *cli.System) error {
	cli.Protect()
	flags := cli.NewFlags()
	var o options
	var api client.Flags
	o.register(flags)
	api.Register(flags)
	words, err := flags.Parse(sys.Args)
	if err != nil {
		return err
	}
	useStdin := !o.noStdin && !cli.IsTerminal(sys.Stdin) && !cli.IsNull(sys.Stdin)
	switch {
	case o.stream && o.jsonl:
		return cli.Usagef("--stream and --jsonl exclude each other")
	case len(words) == 0 && !useStdin:
		return cli.WithHint(cli.Usagef("no question"), "gpt-ask 'What is a pipe?'")
	}
	images, err := readImages(o.images)
	if err != nil {
		return err
	}

	drain := cli.NewDrain(ctx)
	defer drain.Close()
	c, err := client.New(sys, drain, flags, &api, client.Options{Jobs: 1})
	if err != nil {
		return err
	}
	defer c.Close()
	if o.stream && c.WantsJSON() {
		return cli.Usagef("--stream excludes --json and --schema, which check the answer as a whole")
	}

	question := strings.Join(words, " ")
	if useStdin {
		text, err := readStdin(drain.Soft, sys)
		if err != nil {
			return err
		}
		question = join(question, text)
	}
	if !utf8.ValidString(question) {
		return cli.Failf(cli.StatusFailed, "the question is not valid UTF-8; nothing was sent")
	}
	if strings.TrimSpace(question) == "" {
		return cli.Usagef("no question: stdin was empty")
	}

	chat, err := openChat(o.chat, sys.Log)
	if err != nil {
		return err
	}
	defer chat.Close()
	turn := llm.Message{Role: "user", Content: question, Images: images}
	req, err := c.Request(append(chat.turns, turn)...)
	if err != nil {
		return err
	}

	out := &printer{sys: sys, drain: drain}
	if o.stream || !o.jsonl && !c.WantsJSON() && cli.IsTerminal(sys.Stdout.File) {
		req.OnDelta = out.delta
	}
	drain.Watch(sys.Stdout)
	resp, err := c.Complete(drain.Soft, req)
	if err != nil {
		switch {
		case out.printed:
			out.whole("")
		case resp != nil && resp.Text != "" && !o.jsonl && !c.WantsJSON():
			out.whole(resp.Text) // it was cut, and has been paid for
		}
		return drain.Reason(client.Failure(err), out.err)
	}
	if o.jsonl {
		out.print(asRecord(question, resp.Text, c.WantsJSON()))
	} else {
		out.whole(resp.Text)
	}
	kept := chat.append(question, resp.Text)
	// A signal that came meanwhile let the answer arrive, and still counts.
	return drain.Reason(kept, out.err)
}

// join puts what came from stdin after the words, with a blank line between.
func join(words, text string) string {
	switch {
	case words == "":
		return text
	case text == "":
		return words
	}
	return words + "\n\n" + text
}

func asRecord(question, answer string, isJSON bool) string {
	r := record.FromText(question)
	value := []byte(answer)
	if !isJSON {
		value = record.AppendString(nil, answer)
	}
	r.Set("response", value)
	return string(r.Bytes()) + "\n"
}
