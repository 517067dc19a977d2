#!/bin/sh
# usage: install.sh install|uninstall DESTDIR PREFIX BIN
# Puts what make has built into BIN, and what goes with it, under DESTDIR and
# PREFIX, or removes exactly that. Run it in the root of the sources.
set -eu
action=$1 destdir=$2 bin=$4
prefix=$(printf '%s\n' "$3" | sed 's|//*|/|g; s|/$||') # as systemd writes it into links
root=$destdir$prefix

case $action$prefix in
install[!/]*)
	echo "PREFIX=$3 is not absolute" >&2
	exit 1
	;;
esac
# In units, systemd would take a name with one of these for another.
case $action$3 in
install*[[:space:]%\$\"\'\\]*)
	echo "PREFIX=$3: systemd does not take a folder whose name has white space, %, \$, a quote or a backslash" >&2
	exit 1
	;;
esac

# one takes a mode, a source and a place under PREFIX.
one() {
	to=$root/$3
	if [ "$action" = uninstall ]; then
		rm -f -- "$to"
	else
		install -D -m "$1" -- "$2" "$to"
	fi
}

# unit is one for a text that names the files of a package.
unit() {
	one 644 "$1" "$2"
	[ "$action" = uninstall ] || sed -i "s|/usr/bin/|$named/bin/|; s|/usr/lib/|$named/lib/|; s|/usr/share/|$named/share/|" "$to"
}
named=$(printf '%s\n' "$prefix" | sed 's/[&|]/\\&/g') # as sed takes it

# What is enabled would be links to nothing.
enabled=
for link in "$destdir"/etc/systemd/system/*.wants/gpt-* "$destdir"/etc/systemd/user/*.wants/gpt-*; do
	case $action$(readlink "$link" || :) in
	uninstall"$prefix"/lib/systemd/*) enabled="$enabled $link" ;;
	esac
done
if [ -n "$enabled" ]; then
	echo "disable first (systemctl disable --now; for user units with --global):$enabled" >&2
	exit 1
fi

for command in gpt-ask gpt-chunk gpt-map gpt-join gpt-key gpt-cache; do
	one 755 "$bin/$command" "bin/$command"
	one 644 "completions/$command.bash" "share/bash-completion/completions/$command"
	one 644 "completions/$command.zsh" "share/zsh/site-functions/_$command"
	one 644 "completions/$command.fish" "share/fish/vendor_completions.d/$command.fish"
done
for page in man/*.[157]; do
	one 644 "$page" "share/man/man${page##*.}/${page#man/}"
done
one 755 deploy/gpt-spool lib/gptpipe/gpt-spool
for manager in system user; do
	for file in deploy/systemd/"$manager"/*; do
		unit "$file" "lib/systemd/$manager/${file##*/}"
	done
done
one 644 deploy/systemd/gptpipe.sysusers lib/sysusers.d/gptpipe.conf
one 644 deploy/systemd/gptpipe.tmpfiles lib/tmpfiles.d/gptpipe.conf
for file in alerts.yml prometheus.yml; do
	one 644 "deploy/prometheus/$file" "share/gptpipe/prometheus/$file"
done
one 644 deploy/grafana/dashboard.json share/gptpipe/grafana/dashboard.json
one 644 LICENSE share/doc/gptpipe/copyright
one 644 "$bin/THIRD-PARTY" share/doc/gptpipe/THIRD-PARTY
unit deploy/README.md share/doc/gptpipe/deploy/README.md
for file in README.md README.zh-CN.md docs/design.md docs/performance.svg docs/terminal.svg; do
	one 644 "$file" "share/doc/gptpipe/$file"
done

# Folders of nobody else.
if [ "$action" = uninstall ]; then
	for dir in lib/gptpipe share/gptpipe/prometheus share/gptpipe/grafana share/gptpipe share/doc/gptpipe/deploy \
		share/doc/gptpipe/docs share/doc/gptpipe; do
		[ ! -d "$root/$dir" ] || rmdir --ignore-fail-on-non-empty -- "$root/$dir"
	done
fi
