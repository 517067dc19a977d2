package main

const usage = `usage: gpt-cache stats [--cache DIR]
       gpt-cache purge [--cache DIR] [--older D] [--model NAME]
       gpt-cache serve [--cache DIR] [--linger D]
       gpt-cache stop [--cache DIR]

Looks after the answers and counters that gpt-ask and gpt-map share, over all
processes of one user, and serves them to those.

stats  shows what is stored, and how it was used
purge  removes what matches all of the flags given; with none, everything
serve  keeps the database open until it is stopped; the other commands start
       this by themselves when they need it
stop   ends the keeper, whoever started it; the next who needs one starts it

      --cache DIR   the cache folder (GPT_CACHE; default:
                    $XDG_CACHE_HOME/gptpipe, else ~/.cache/gptpipe)
      --older D     stored longer ago than this: 90m, 24h, 7d
      --model NAME  of this model, and of those whose names begin so
      --linger D    stats, purge: how long a keeper that is started for this
                    stays (GPT_LINGER; default 10s)
                    serve: leave this long after the last user has gone
  -h, --help        print this and exit
      --version     print the version and exit

  $ gpt-cache stats | grep hits
  hits: 1204
  $ gpt-cache purge --older 7d
  gpt-cache: removed 311 entries
`
