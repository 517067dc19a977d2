#!/bin/sh
# The main job, gpt-chunk | gpt-map | gpt-join, on a real text, stage by stage.
# With LIVE=1 it asks the real API with the user's own key and settings; else a
# local stand-in, which invents its answers and which it starts and ends itself.
set -eu
cd "$(dirname "$0")/.."
# Of the user's settings none reaches the stand-in.
[ -n "${LIVE:-}${SEALED:-}" ] ||
	exec env -i SEALED=1 PATH="$PATH" TERM="${TERM:-dumb}" TMPDIR="${TMPDIR:-/tmp}" sh demo/run.sh
PATH=$PWD/bin:$PATH
text=/usr/share/common-licenses/GPL-3
[ -r "$text" ] || text=docs/design.md

work=$(mktemp -d)
standin=
clean() {
	[ -z "$standin" ] || kill "$standin" 2>/dev/null || true
	[ -n "${LIVE:-}" ] || gpt-cache stop 2>/dev/null || true
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
[ -t 1 ] || say() { printf '\n%s\n' "$*"; }
first() { cut -c "1-${2:-160}" | head -n "$1" | sed 's/^/    /'; }

if [ -n "${LIVE:-}" ]; then
	echo "LIVE: this asks the real API, with your key, and costs a little."
else
	echo "This talks to a local stand-in for the API; its answers are invented. LIVE=1 asks the real one."
	export HOME="$work/home" OPENAI_API_KEY=demo-key
	mkdir "$HOME"
	# One request in four fails, to show that this does not matter.
	stand-in -ready-file "$work/url" -log "$work/requests" -faults 'every=4:500' -latency 100ms -for 5m 2>"$work/stand-in.log" &
	standin=$!
	while [ ! -s "$work/url" ] && kill -0 "$standin" 2>/dev/null; do
		sleep 0.1
	done
	[ -s "$work/url" ] || { cat "$work/stand-in.log" >&2; exit 1; }
	OPENAI_BASE_URL=$(cat "$work/url")
	export OPENAI_BASE_URL
fi

say "The text: $text, $(wc -c <"$text") bytes"
head -n 3 "$text" | first 3

say "\$ gpt-chunk -t 500 $text >chunks.jsonl"
gpt-chunk -t 500 "$text" >"$work/chunks.jsonl"
echo "    $(wc -l <"$work/chunks.jsonl") records, each of at most 500 tokens; the first two:"
first 2 <"$work/chunks.jsonl"

say "\$ gpt-map -p 'Summarise in one sentence.' <chunks.jsonl >answers.jsonl"
gpt-map -p 'Summarise in one sentence.' <"$work/chunks.jsonl" >"$work/answers.jsonl"
echo "    $(wc -l <"$work/answers.jsonl") records, now with a response; the first two responses:"
sed 's/.*"response":/"response":/' "$work/answers.jsonl" | first 2

say "\$ gpt-join <answers.jsonl"
gpt-join <"$work/answers.jsonl" >"$work/summary.txt"
first 7 <"$work/summary.txt"
echo "    … $(wc -l <"$work/summary.txt") lines in all"

say "\$ gpt-chunk -t 500 $text | gpt-join | cmp - $text"
gpt-chunk -t 500 "$text" | gpt-join | cmp - "$text" && echo "    the same, byte for byte"

if [ -z "${LIVE:-}" ]; then
	before=$(wc -l <"$work/requests")
	say "The whole job again: every answer comes from the cache"
	gpt-chunk -t 500 "$text" | gpt-map -p 'Summarise in one sentence.' | gpt-join | cmp - "$work/summary.txt"
	echo "    the same summary; requests to the server: $before for $(wc -l <"$work/answers.jsonl") records the first time (one in four failed), $(($(wc -l <"$work/requests") - before)) now"
fi
