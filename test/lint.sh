#!/bin/sh
# What the sources are held to beside their tests. A tool that is not here is
# said to be, and this fails but for the vulnerabilities, whose list is on
# the network alone.
set -eu
: "${GO:=go}" "${PAGES:?}"

unformatted=$($GO run golang.org/x/tools/cmd/goimports@v0.51.0 -local gptpipe -l cmd completions deploy docs pkg test)
[ -z "$unformatted" ] || { echo "goimports: $unformatted"; exit 1; }
$GO vet ./...
$GO run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
# shellcheck disable=SC2046,SC2086 # lists of words
shellcheck .ci/run $(git ls-files 2>/dev/null | grep '\.sh$' || ls demo/*.sh deploy/*.sh test/*.sh) deploy/gpt-spool
# shellcheck disable=SC2086
mandoc -T lint -W warning $PAGES

if ! found=$($GO run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./cmd/... 2>&1); then
	case $found in
	*'fetching vulnerabilities'*) echo 'lint: the list of vulnerabilities cannot be reached, govulncheck is left out' ;;
	*) echo "$found"; exit 1 ;;
	esac
fi
