package main

const usage = `usage: gpt-cache stats [--cache DIR] [--prometheus]
       gpt-cache list [--cache DIR]
       gpt-cache get [--cache DIR] ID
       gpt-cache purge [--cache DIR] [--older D] [--model NAME]
       gpt-cache compact [--cache DIR]
       gpt-cache export [--cache DIR] > FILE
       gpt-cache import [--cache DIR] [FILE]
       gpt-cache serve [--cache DIR] [--cache-size BYTES] [--linger D]
                       [--metrics-listen ADDR]
       gpt-cache stop [--cache DIR]

Looks after the answers and counters that gpt-ask and gpt-map share, over all
processes of one user, and serves them to those.

stats    shows what is stored, and how it was used
list     writes a JSON object for each answer: id, model, stored, expires, bytes
get      writes one stored answer; the beginning of its id is enough
purge    removes what matches all of the flags given; with none, everything
compact  gives back the disk space of what was removed, at once
export   writes all answers, one JSON object a line
import   stores what export wrote, with the times it had
serve    keeps the database open until it is stopped; the other commands start
         this by themselves when they need it
stop     ends the keeper, whoever started it; the next who needs one starts it

      --cache DIR         the cache folder (GPT_CACHE; default:
                          $XDG_CACHE_HOME/gptpipe, else ~/.cache/gptpipe)
      --older D           stored longer ago than this: 90m, 24h, 7d
      --model NAME        of this model, and of those whose names begin so
      --prometheus        as metrics, counted over all processes
      --metrics-listen ADDR
                          answer GET /metrics there, as 127.0.0.1:9464
      --cache-size BYTES  how much disk the answers may take: 500MB, 2GB, 1GiB
                          (default 2GB); those stored first go first
      --linger D          how long a keeper that is started for this stays
                          (GPT_LINGER; default 10s)
                          serve: leave this long after the last user has gone
  -h, --help              print this and exit
      --version           print the version and exit

  $ gpt-cache stats | grep hits
  hits: 2
  $ gpt-cache export | ssh laptop gpt-cache import
  gpt-cache: exported 2 entries
  gpt-cache: imported 2 entries; passed over 0 expired, 0 that are there
`
