package main

import "gptpipe/pkg/client"

const usage = `usage: gpt-map [flags] [FILE ...]

Reads JSON Lines records, asks a model about each, and writes the same records
with a "response" (or an "error"), in the same order.

  -p, --prompt TEXT      template ({{.text}} is a field), or a text that the
                         record's current value follows; @FILE reads a file
      --in FIELD         the value to ask about (default: response, else text)
      --out FIELD        where the answer goes (default: response)
  -R, --raw-input        each input line is plain text
  -j, --jobs N           requests in flight (default 16)
      --unordered        write as they finish
  -o, --output FILE      FILE appears whole when all records succeeded; until
                         then FILE.partial keeps answers for the next run
      --allow-failed     let FILE appear although records failed
      --retry-failed     the input is an earlier output: ask for what failed
      --halt N|N%        stop after so many failures
      --max-cost USD     stop before the answers cost more
      --prices FILE      prices over the built-in ones, JSON
      --batch            through the Batch API: half the price, within a day;
                         interrupted, the same command goes on
      --format batch     read and write the Batch API's own lines, asked live
      --embed            answers are embeddings: the vector of each text
      --dry-run          count records, tokens and cost, and send nothing
      --meta             add "gpt": model, usage, attempts, …
      --progress WHEN    auto, always or never: a status line on stderr
  -m, --model NAME       model (GPT_MODEL)
  -s, --system TEXT      system message; @FILE reads a file
      --json             answers are JSON
      --schema FILE      answers fit this JSON Schema
` + client.Usage + `  -h, --help, --version

Exit status: 0 all done, 2 usage, 3 some records failed, 4 no credential or
refused, 5 stopped early (run again to go on), 1 anything else.

  $ gpt-chunk -t 2000 book.txt | gpt-map -p 'Summarise.' | gpt-join > summary.txt
  $ echo '{"text":"chien"}' | gpt-map -p 'English for:'
  {"text":"chien","response":"dog"}
`
