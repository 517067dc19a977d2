#!/bin/sh
# Installs the API mock that the tests talk to, if node is new enough for it.
set -eu
cd "$(dirname "$0")"
version=$(node --version 2>/dev/null || echo none)
case $version in
none)
	echo 'no node: the tests against aimock will be skipped'
	exit 0
	;;
esac
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 15 ? 0 : 1)'; then
	echo "node $version is older than 20.15: the tests against aimock will be skipped"
	exit 0
fi
[ -d node_modules/@copilotkit/aimock ] || npm ci --silent --no-audit --no-fund
