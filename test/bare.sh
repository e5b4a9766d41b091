#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh test/bare.sh [root] [sudo]			(default: both)
#
# deploy/quickstart.sh on a Debian 12 with nothing in it but what debootstrap
# puts there, from a clone of this tree as it was committed: once as root, once
# as a user with sudo. Each line is printed with the seconds since the start.
# Not a test of CI: it downloads the packages twice.
#
# Needs root and debootstrap. All mounts are in a mount namespace and all
# processes in a pid namespace of their own, so that both end with them; what
# is left is a directory, which is removed. BARE=DIRECTORY: an unpacked fresh
# system to copy instead of making one.
set -u
export LC_ALL=C
top=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || { echo "only root can do this"; exit 77; }
for c in debootstrap unshare git; do
	command -v $c >/dev/null || { echo "no $c here"; exit 77; }
done
dir=$(mktemp -d "${TMPDIR:-/tmp}/raftmq-bare.XXXXXX") || exit 1
trap 'rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mirror() { # the one that this machine uses, if it is a Debian
	m=$(apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) $(SITE)' |
		awk '$1 == "Debian" && $2 == "Packages" { print $3; exit }')
	echo "${m:-http://deb.debian.org/debian}"
}

fresh=${BARE:-$dir/fresh}
[ "${BARE:-}" ] || debootstrap --variant=minbase bookworm "$fresh" \
	"$(mirror)" >"$dir/log" 2>&1 || { tail "$dir/log"; exit 1; }

# inside ROOT COMMAND: a shell in it, with /proc and /dev and an end to it all
inside() {
	unshare --mount --pid --fork --kill-child sh -c '
		mount -t proc proc "$1/proc" &&
		mount --rbind /dev "$1/dev" &&
		mount -t sysfs -o ro sysfs "$1/sys" &&
		exec chroot "$1" /usr/bin/env -i HOME=/root LC_ALL=C \
			PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$2"
	' - "$1" "$2"
}

with_seconds() {
	begin=$(date +%s)
	while IFS= read -r line; do
		printf '%4d  %s\n' $(($(date +%s) - begin)) "$line"
	done
}

bad=0
for user in ${@:-root sudo}; do
	root=$dir/$user
	cp -a "$fresh" "$root"
	apt-config dump | grep -i proxy >"$root/etc/apt/apt.conf.d/90proxy"
	cp /etc/resolv.conf /etc/hosts "$root/etc/"
	git clone -q "$top" "$root/opt/raftmq" || exit 1
	run='sh /opt/raftmq/deploy/quickstart.sh'
	case $user in sudo)
		inside "$root" '
			apt-get -qq update && apt-get -qq install -y sudo &&
			useradd -m -s /bin/sh tester && chown -R tester /opt &&
			echo "tester ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/t
		' >"$dir/log" 2>&1 || { tail "$dir/log"; exit 1; }
		run="su tester -c '$run'"
		;;
	esac
	echo "== $user"
	inside "$root" "$run 2>&1 && touch /opt/well" </dev/null | with_seconds
	[ -e "$root/opt/well" ] || bad=1
	rm -rf --one-file-system "$root"
done
exit $bad
