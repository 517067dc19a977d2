package main

const usage = `usage: gpt-chunk [flags] [FILE ...]

Divides text into JSON Lines records, each within a budget, cut where a reader
would pause. "gpt-chunk FILE | gpt-join" gives FILE back byte for byte.

  -t, --tokens N         at most N tokens a record (default 1000), or
  -c, --chars N          at most N code points
  -b, --bytes N          at most N bytes
  -l, --lines N          at most N lines
      --overlap N        begin with up to N of the same unit of the one before
      --by HOW           text: at paragraphs, lines, sentences, words (default)
                         markdown: at headings, and between blocks; adds section
                         code: between blocks, as blank lines and indents show
                         line: at line ends; none: as full as possible
      --encoding NAME    o200k_base (default) or cl100k_base
  -m, --model NAME       the encoding of this model
      --name NAME        name of the document (default: the file, or -)
      --jsonl            the input is records; divide each one's value
      --in FIELD         which value (default: response, else text)
      --replace-invalid  read invalid UTF-8 as U+FFFD
  -h, --help, --version

Exit status: 0 all done, 1 a file could not be read, 2 usage.

  $ printf 'One. Two. Three.' | gpt-chunk -t 4 --name abc
  {"id":"abc#0","doc":"abc","seq":0,"start":0,"end":9,"tokens":4,"text":"One. Two."}
  {"id":"abc#1","doc":"abc","seq":1,"start":9,"end":16,"tokens":2,"text":" Three.","last":true}
`
