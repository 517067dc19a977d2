package main

import "gptpipe/pkg/client"

const usage = `usage: gpt-ask [flags] [WORD ...]

Asks a model one question and prints the answer. The question is the words,
then, if stdin is neither a terminal nor /dev/null, all of it, after a blank
line.

  -n, --no-stdin         leave stdin alone, as in a while-read loop
  -m, --model NAME       model (GPT_MODEL)
  -s, --system TEXT      system message; @FILE reads a file
      --image FILE       show an image, too; can be repeated
      --chat FILE        go on with a conversation, kept in FILE as JSON Lines
      --json             the answer is JSON
      --schema FILE      the answer fits this JSON Schema
      --jsonl            write a record {"text","response"}
      --stream           stream the answer, also when stdout is no terminal
` + client.Usage + `  -h, --help, --version

Exit status: 0 answered, 2 usage, 4 no credential or refused, 5 quota spent or
a wait longer than --max-wait, 1 anything else.

  $ git diff HEAD | gpt-ask 'Write a commit message for this change.'
  $ ls *.txt | xargs -I{} -P8 sh -c 'gpt-ask "Title for:" <"$1" >"$1.title"' sh {}
`
