#!/bin/sh
# usage: dist.sh OUT
# Builds what is released into OUT: for each architecture a tar file for
# /usr/local, a .deb and an .rpm, the bill of materials, and the sums of all. From
# the same commit, with the same Go, it makes the same bytes, in whatever folder.
# Run by make dist, in the root of the sources, with VCS from there.
set -eu
umask 022
out=$1
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

# v1.2.0 is 1.2.0, and five commits later 1.2.0+5.gCOMMIT; before the first tag it
# is 0.0.0+gitDATE.COMMIT.
if [ "$VCS" != false ]; then
	commit=$(git log -1 --format=%ct)
	VERSION=$(git describe --tags --match 'v[0-9]*' 2>/dev/null | sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/')
	: "${VERSION:=0.0.0+git$(TZ=UTC0 git log -1 --date=format-local:%Y%m%d%H%M%S --format=%cd.%h --abbrev=12)}"
fi
export SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH-${commit-0}}" VERSION="${VERSION-0.0.0}"

rm -rf "$out"
mkdir -p "$out/work"
work=$out/work
for ARCH in amd64 arm64; do
	export ARCH ROOT="$work/$ARCH-package/usr"
	mkdir "$work/$ARCH"
	GOOS=linux GOARCH=$ARCH GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -buildvcs="$VCS" -o "$work/$ARCH/" ./cmd/...
	go run ./deploy/sbom bom "$VERSION" "$work/$ARCH"/gpt-* >"$out/gptpipe-$VERSION-linux-$ARCH.cdx.json"
	go run ./deploy/sbom licences "$work/$ARCH"/gpt-* >"$work/$ARCH/THIRD-PARTY"

	name=gptpipe-$VERSION-linux-$ARCH
	sh deploy/install.sh install "$work/$ARCH-tar" /usr/local "$work/$ARCH"
	mv "$work/$ARCH-tar/usr/local" "$work/$ARCH-tar/$name"
	tar -C "$work/$ARCH-tar" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
		--format=gnu -cf - "$name" | gzip -9n >"$out/$name.tar.gz"

	sh deploy/install.sh install "$work/$ARCH-package" /usr "$work/$ARCH"
	gzip -9nr "$ROOT/share/man"
	for kind in rpm deb; do
		# Where Debian's zsh looks for the completions of packages.
		[ $kind = rpm ] || mv "$ROOT/share/zsh/site-functions" "$ROOT/share/zsh/vendor-completions"
		go run "$nfpm" package --config deploy/package/nfpm.yaml --packager "$kind" --target "$out/" >/dev/null
	done
done
rm -rf "$work"
(cd "$out" && sha256sum gptpipe*) >"$out.sums" && mv "$out.sums" "$out/SHA256SUMS"
