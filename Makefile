# make          build the commands into bin/
# make demo     chunk | map | join on a real text, against a local stand-in (LIVE=1: the real API and your key)
# make test     all tests; installs the system packages they need when run as root
# make lint     formatting, vet, staticcheck, govulncheck, shellcheck, manual pages
# make check    both, which is what CI runs
# make bench    benchmarks
# make completions  those of shells, written anew after flags have changed
# make install  PREFIX=/usr/local DESTDIR=; make uninstall
# make dist     what is released, in dist/: tar files, .deb, .rpm, bills of materials; make dist-test
# make image    a container image, with DOCKER (docker, podman, buildah)
# make clean
# make help     this

PREFIX  = /usr/local
DESTDIR =
GO      = go
BIN     = bin
DOCKER  = docker
IMAGE   = gptpipe
# Those that an image has; other systems than Debian keep them elsewhere.
CERTIFICATES = /etc/ssl/certs/ca-certificates.crt
BUILD   = $(GO) build -trimpath -ldflags '-s -w'
# The commit is recorded where git will tell it.
VCS     = $(shell git rev-parse HEAD >/dev/null 2>&1 && echo auto || echo false)

COMMANDS = gpt-ask gpt-chunk gpt-map gpt-join gpt-key gpt-cache
PAGES    = $(wildcard man/*.[157])

# What the tests run beside Go: the program, and the Debian package it is in.
NEEDED = gcc:gcc mandoc:mandoc promtool:prometheus \
	dbus-run-session:dbus-daemon gnome-keyring-daemon:gnome-keyring \
	expect:expect gcore:gdb git:git systemd-analyze:systemd shellcheck:shellcheck jq:jq parallel:parallel zsh:zsh fish:fish

GOTESTSUM = $(GO) run gotest.tools/gotestsum@v1.13.0

all: build

build:
	@mkdir -p bin
	CGO_ENABLED=0 $(BUILD) -buildvcs=$(VCS) -o bin/ ./cmd/...
	@GOOS= GOARCH= $(GO) run ./deploy/sbom licences $(COMMANDS:%=bin/%) >bin/.third-party && mv bin/.third-party bin/THIRD-PARTY

demo: build
	@mkdir -p bin
	@CGO_ENABLED=0 $(BUILD) -o bin/stand-in ./test/standin/serve
	@LIVE='$(LIVE)' sh demo/run.sh

check: lint test

test: packages servers
	@rm -f bin/tests.json; mkdir -p bin
	CGO_ENABLED=1 $(GOTESTSUM) --format pkgname --hide-summary output --jsonfile bin/tests.json -- -race -timeout 30m ./... ; \
	status=$$?; sh test/tally.sh bin/tests.json; tally=$$?; [ $$status -eq 0 ] && exit $$tally; exit $$status

# The programs that are missing are installed, or it is said how.
packages:
	@sh test/packages.sh $(NEEDED)

# The API mock and the OAuth 2.0 server need a newer node than Debian 12 has;
# without it the tests that use them are skipped by name.
servers:
	@sh test/node/install.sh aimock oidc

lint: packages
	@GO='$(GO)' PAGES='$(PAGES)' sh test/lint.sh

# The completions of shells, from the flags of the commands.
completions:
	$(GO) run ./completions/generate completions

bench:
	$(GO) test -run '^$$' -bench . -benchmem ./...

# Only what make has built, for root may have no Go. The shell has the names of
# folders from its environment, for there may be anything in them.
export DESTDIR PREFIX BIN
install:
	@for c in $(COMMANDS) THIRD-PARTY; do [ -f "$$BIN/$$c" ] || { echo "$$BIN/$$c is not there: run make first" >&2; exit 1; }; done
	sh deploy/install.sh install "$$DESTDIR" "$$PREFIX" "$$BIN"

uninstall:
	sh deploy/install.sh uninstall "$$DESTDIR" "$$PREFIX" "$$BIN"

# Static binaries for Linux, packages, bills of materials: the same for the same commit.
dist:
	VCS=$(VCS) sh deploy/dist.sh dist

# Builds it twice, installs it in a copy of this system, runs the image: minutes,
# and as root, so that it is not in make check.
dist-test:
	@sh test/packages.sh buildah:buildah dpkg:dpkg git:git man:man-db rpm:rpm zsh:zsh
	$(GO) test -tags dist -count=1 -timeout 20m -run 'Dist|Image' -v ./test/deploy

# A container image of what make has built; with DOCKER=podman or buildah as well.
image:
	@for c in $(COMMANDS) THIRD-PARTY; do [ -f $(BIN)/$$c ] || { echo "$(BIN)/$$c is not there: run make first" >&2; exit 1; }; done
	rm -rf $(BIN)/image
	install -d -m 755 $(BIN)/image/bin $(BIN)/image/home
	install -m 755 $(COMMANDS:%=$(BIN)/%) $(BIN)/image/bin/
	install -m 644 deploy/docker/Dockerfile deploy/docker/passwd LICENSE $(BIN)/THIRD-PARTY $(BIN)/image/
	install -m 644 '$(CERTIFICATES)' $(BIN)/image/ca-certificates.crt
	$(DOCKER) build -t $(IMAGE) $(BIN)/image

clean:
	rm -rf bin dist

help:
	@sed -n 's/^# //p; /^$$/q' Makefile

.PHONY: all build demo test packages servers lint check completions bench install uninstall dist dist-test image clean help
