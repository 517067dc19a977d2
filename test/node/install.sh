#!/bin/sh
# usage: install.sh SERVER ...
# Installs the modules of the servers test/SERVER that the tests talk to, if
# node is new enough for them.
set -eu
cd "$(dirname "$0")/.."
version=$(node --version 2>/dev/null || echo none)
if [ "$version" = none ]; then
	echo "no node: the tests against $* will be skipped"
	exit 0
fi
if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || a == 20 && b >= 15 ? 0 : 1)'; then
	echo "node $version is older than 20.15: the tests against $* will be skipped"
	exit 0
fi
for server; do
	cmp -s "$server/package-lock.json" "$server/node_modules/.installed" && continue
	npm ci --silent --no-audit --no-fund --prefix "$server"
	cp "$server/package-lock.json" "$server/node_modules/.installed"
done
