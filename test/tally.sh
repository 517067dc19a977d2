#!/bin/sh
# usage: tally.sh FILE
# Counts the tests of a `go test -json` log, names those that were skipped, and
# prints the counts as the last line. In CI a skipped test is a failure.
set -eu
count() { grep -c "\"Action\":\"$1\".*\"Test\":" "$2" || true; }
passed=$(count pass "$1") failed=$(count fail "$1") skipped=$(count skip "$1")
sed -n 's/.*"Action":"skip","Package":"\([^"]*\)","Test":"\([^"]*\)".*/skipped: \1 \2/p' "$1"
status=0
if [ "$failed" -gt 0 ]; then
	status=1
elif [ -n "${CI:-}" ] && [ "$skipped" -gt 0 ]; then
	echo 'in CI no test may be skipped'
	status=1
fi
echo "$passed passed, $failed failed, $skipped skipped"
exit $status
