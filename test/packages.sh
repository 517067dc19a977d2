#!/bin/sh
# usage: packages.sh PROGRAM:PACKAGE ...
# Installs the packages of the programs that are missing, if that can be done.
set -eu
missing=
for pair in "$@"; do
	program=${pair%%:*} package=${pair#*:}
	command -v "$program" >/dev/null || missing="$missing $package"
done
# The race detector needs the C library's headers, which no program shows.
[ -e /usr/include/stdlib.h ] || missing="$missing libc6-dev"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
	echo "make test needs packages that are not installed:$missing" >&2
	echo "run: sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
echo "installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get update -q >/dev/null
# shellcheck disable=SC2086 # a list of words
apt-get install -y -q --no-install-recommends $missing >/dev/null
