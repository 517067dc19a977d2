package main

const usage = `usage: gpt-join [flags] [FILE ...]

Puts JSON Lines records, in any order, together to documents, and writes their
text. Texts that gpt-chunk cut come back as they were. What has to wait for
others waits in memory up to 256 MB, beyond that in a file in $TMPDIR, or
/var/tmp.

      --in FIELD         the value to take (default: response, else text)
      --sep STRING       between records and documents (default: a blank line
                         and a final newline; nothing for texts of gpt-chunk)
      --jsonl            write a record for each document
  -t, --tokens N         write records of up to N tokens, for another gpt-map
      --encoding NAME    o200k_base (default) or cl100k_base
      --allow-missing    write [missing DOC#SEQ] for a record that is missing or
                         failed, and go on
  -h, --help, --version

Exit status: 0 all done, 1 a file or line could not be read, 2 usage,
3 a document is incomplete, and written up to the gap, or data was left out.

  $ gpt-chunk -t 2000 book.txt | gpt-map -p 'Summarise.' | gpt-join > summary.txt
  $ gpt-chunk -t 2000 book.txt | gpt-map -p 'Summarise.' | gpt-join -t 8000 |
        gpt-map -p 'Summarise the whole.' | gpt-join
`
