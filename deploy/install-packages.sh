#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh deploy/install-packages.sh [build] [run] [test]     (default: all)
#
# Installs the Debian packages of deploy/packages.txt that are missing, as root
# or through sudo. Says nothing and calls no apt when all are there. On Debian
# 12, libraft comes from bookworm-backports: when that is not among the apt
# sources it is added as a copy of the machine's own entry for Debian (same
# mirror, same key), and nothing but libraft is taken from it.
set -eu
export LC_ALL=C DEBIAN_FRONTEND=noninteractive

here=$(cd "$(dirname "$0")" && pwd)
list=$here/packages.txt
[ $# -gt 0 ] || set -- build run test

# INDENT, blanks: the caller has a column of its own, and goes on in it
say() {
	if [ "${INDENT:-}" ]; then
		printf '%s\n' "$*" | fold -s -w 68 | sed "2,\$s/^/$INDENT/"
		printf '%s' "$INDENT"
	else
		printf 'packages: %s\n' "$*"
	fi >&2
}
die() { say "$*"; exit 1; }

# wanted SECTION...: lines "package minimum-version other-that-would-do"
wanted() {
	awk -v sections=" $* " '
		{ sub(/#.*/, "") }
		/^\[/ { gsub(/[][ \t]/, ""); on = index(sections, " " $0 " "); next }
		/^[a-z0-9]/ && on {
			print $1, $2 == ">=" ? $3 : "-", $2 == "|" ? $3 : ""
		}' "$list"
}

is_installed() { # PACKAGE MINIMUM, - for any
	v=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$1" \
		2>/dev/null) || return 1
	case $v in installed\ *) ;; *) return 1 ;; esac
	[ "$2" = - ] || dpkg --compare-versions "${v#* }" ge "$2"
}

missing() {
	wanted "$@" | while read -r package minimum other; do
		is_installed "$package" "$minimum" ||
			{ [ "$other" ] && is_installed "$other" -; } ||
			echo "$package"
	done
}

# apt COMMAND...: as root, its output shown only when it fails
apt() {
	$root apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1 || {
		tail -n 25 "$log" >&2
		die "apt-get $1 failed (above: the end of its output)"
	}
}

# offered PACKAGE MINIMUM: the newest version that apt knows, if new enough
offered() {
	apt-cache madison "$1" 2>/dev/null | awk '{ print $3 }' |
	while read -r v; do
		if dpkg --compare-versions "$v" ge "$2"; then
			echo "$v"
			break
		fi
	done
}

# The machine's own entry for main of Debian's suite $1, made one for $2.
derive_source() {
	apt-get indextargets --format \
		'$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(SOURCESENTRY)|$(CODENAME)' \
		'Identifier: Packages' 2>/dev/null |
	awk -F'|' -v suite="$1" '$1 == "Debian" && $3 == "main" &&
		($2 == suite || $5 == suite) { print $4; exit }' |
	while IFS=: read -r file nth; do
		case $file in
		*.sources) awk -v nth="$nth" -v suite="$2" '
			BEGIN { RS = ""; FS = "\n" }
			/(^|\n)Types:/ && ++n == nth {
				for (i = 1; i <= NF; i++) {
					if ($i !~ /^[ \t]/)
						skip = $i ~ \
					/^(#|Types:|Suites:|Components:|Enabled:)/
					if (!skip)
						print $i
				}
				print "Types: deb\nSuites: " suite
				print "Components: main"
			}' "$file" ;;
		*) awk -v nth="$nth" -v suite="$2" 'NR == nth {
				options = ""
				if (match($0, /\[[^]]*\]/)) {
					options = substr($0, RSTART, RLENGTH) " "
					$0 = substr($0, 1, RSTART - 1) \
						substr($0, RSTART + RLENGTH)
				}
				print "deb " options $2 " " suite " main"
			}' "$file" ;;
		esac
	done
}

add_backports() { # CODENAME
	entry=$(derive_source "$1" "$1-backports")
	case $entry in
	'') die "libraft $minimum or newer is in $1-backports, but apt has no" \
		"entry for Debian $1 to derive it from: add it by hand" ;;
	deb\ *) name=raftmq-backports.list ;;
	*) name=raftmq-backports.sources ;;
	esac
	eval "$(apt-config shell parts Dir::Etc::sourceparts/d)"
	say "adding $1-backports (for libraft alone) in $parts$name"
	$root mkdir -p "$parts"
	printf '%s\n' "$entry" | $root tee "$parts$name" >/dev/null
	apt update
}

# Prints what to name on apt's command line for a package with a minimum: the
# exact versions, also of what it depends on in just that version.
versioned() { # PACKAGE VERSION
	echo "$1=$2"
	apt-cache show "$1=$2" | sed -n 's/^Depends: //p' | tr ',' '\n' |
	awk -v v="$2" '$2 == "(=" && $3 == v ")" { print $1 "=" v }'
}

command -v dpkg-query >/dev/null 2>&1 ||
	die "this is not a Debian: install by hand what $list names"
need=$(missing "$@")
[ -n "$need" ] || exit 0

root=
if [ "$(id -u)" -ne 0 ]; then
	root=sudo
	command -v sudo >/dev/null 2>&1 ||
		die "missing:" $need "- run as root: sh $0 $*"
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say "installing${root:+ with $root}" $need
apt update
. /etc/os-release
names=
for package in $need; do
	minimum=$(wanted "$@" | awk -v p="$package" '$1 == p { print $2 }')
	if [ "$minimum" = - ]; then
		names="$names $package"
		continue
	fi
	version=$(offered "$package" "$minimum")
	if [ -z "$version" ] && [ "${ID:-}" = debian ]; then
		add_backports "${VERSION_CODENAME:?}"
		version=$(offered "$package" "$minimum")
	fi
	[ -n "$version" ] || die "no $package >= $minimum in any apt source of" \
		"${PRETTY_NAME:-this system}; Debian has it since 13, and in" \
		"bookworm-backports"
	names="$names $(versioned "$package" "$version")"
done
apt install --no-install-recommends $names
need=$(missing "$@")
[ -z "$need" ] || die "still missing after the installation:" $need
