#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: sh test/mutants.sh [--fast | [--real] NAME...]     in a build directory
#
# Who watches the watchmen: bugs are planted in src/, one at a time, and the
# simulator must find each. A mutant is a patch, test/mutant/NAME.patch; its
# head says what it breaks, and may choose with a line
#
#	# sim: OPTION...
#
# which faults raftmq-sim is to inflict, so that it takes fewer seeds. For each
# mutant the patched simulator runs seed after seed until one fails; what it
# says is the catch. The same seed must pass without the patch: a check that
# cries always has not found anything. Nothing else tells it where to look.
#
# --real: who watches nemesis? Mutants whose head has a line
#
#	# nemesis: OPTION...
#
# are built into the daemon, and test/nemesis, which looks from outside at real
# processes, must end in a violation. What the simulator finds is real, and the
# other way round.
#
# Prints a line for each: the mutant, what noticed it, seeds, seconds. Exit
# status: 0, or 1 if one was not caught within LIMIT (10000) seeds (200 events),
# did not apply, or did not build. Works in a copy of what is distributed, which
# stays in mutants.dir: next time only what has changed is built.
set -u
export LC_ALL=C
limit=${LIMIT:-10000}
workers=${WORKERS:-1}
make=${MAKE:-make}
top=$PWD
dir=$top/mutants.dir
tree=$dir/tree
build=$dir/build
status=0

# Caught within some 20 seeds: those that CI runs.
fast='
ack-when-leader-has-it
apply-goes-by-address
apply-reads-the-clock
commit-not-fenced
divergence-not-checked
entries-not-synced
epochs-survive-truncation
generation-not-raised
high-watermark-beyond-end
journal-not-replayed
leader-epoch-not-raised
lease-not-checked
one-follower-is-enough
producers-forgotten-at-restart
repeat-answered-with-new-offset
repeated-batch-taken
served-above-high-watermark
snapshot-forgets-generation
truncate-to-high-watermark
vote-not-synced
'

[ -f config.status ] && [ -f Makefile ] || {
	echo 'to be run in a build directory' >&2
	exit 2
}

# ---- a copy, and what was built before ---------------------------------------

# Generated files, too: they are older than the objects that depend on them.
copy_objects() {
	find . -path ./mutants.dir -prune -o \
		\( -name '*.o' -o -name '*.a' -o -name '*.Po' -o \
		-name .dirstamp -o -path '*/gen/*' -o -name 'gen_*' \) \
		-type f -print | tar cf - -T - | tar xpf - -C "$build"
}
configure() {
	eval "set -- $(./config.status --config)"
	(cd "$build" && "$tree/configure" -q -C "$@")
}
prepare() {
	mend
	rm -rf "$tree"
	mkdir -p "$build"
	$make -s distdir distdir=mutants.dir/tree >"$dir/log" 2>&1 &&
		chmod -R u+w "$tree" || return
	[ -f "$build/Makefile" ] || {
		configure >>"$dir/log" 2>&1 && copy_objects || return
	}
	(cd "$build" && $make -s built) >>"$dir/log" 2>&1 && simulator &&
		cp "$build/raftmq-sim" "$dir/unharmed"
}
daemons() {
	(cd "$build" && $make -s raftmqd raftmq-admin raftmqd-shadow \
		check-history) >>"$dir/log" 2>&1
}
simulator() {
	(cd "$build" && $make -s raftmq-sim) >>"$dir/log" 2>&1
}

# ---- one mutant --------------------------------------------------------------

harm() { # PATCH
	sed -n 's,^+++ b/,,p' "$1" >"$dir/harmed"
	(cd "$tree" && patch -p1 -s -F 0 -b -z .whole <"$1") \
		>>"$dir/log" 2>&1
}
# Whatever the dates say: what was built from a patched file is not used again.
mend() {
	[ -f "$dir/harmed" ] || return 0
	while read -r source; do
		object=${source##*/}
		object=${object%.c}.o
		rm -f "$build/${source%/*}/"*"-$object" \
			"$build/${source%/*}/$object"
		[ ! -f "$tree/$source.whole" ] ||
			mv "$tree/$source.whole" "$tree/$source"
	done <"$dir/harmed"
	rm -f "$dir/harmed"
}
# What it said: an assertion, or else the first words of the violation.
words() {
	grep -m 1 -o 'Assertion.*failed' "$dir/said" ||
		sed -n '/^FAILED/{n;s/^ *//;p;q;}' "$dir/said"
}
# Seeds from $seed on until one fails that passes unharmed; $seed is that one.
hunt() { # OPTION...
	seed=1
	while [ "$seed" -le "$limit" ]; do
		"$build/raftmq-sim" -q -j "$workers" --first -s "$seed" \
			-n $((limit - seed + 1)) "$@" >"$dir/said" 2>&1 &&
			return 1
		seed=$(sed -n 's/^FAILED seed \([0-9]*\).*/\1/p' "$dir/said" |
			head -n 1)
		[ "$seed" ] || return 1
		grep -q 'of real time' "$dir/said" ||
			! "$dir/unharmed" -q -j 1 -s "$seed" "$@" \
				>>"$dir/log" 2>&1 || return 0
		seed=$((seed + 1))
	done
	return 1
}
row() { # NAME SEEDS WORDS
	[ "$2" != - ] || status=1
	printf '%-34s %6s %4ss  %.76s\n' "$1" "$2" $(($(date +%s) - begin)) "$3"
}
# The first lines of the violation, without where that was.
violation() {
	sed -n '/^VIOLATION: /{s///;s/the history of t[0-9]*://;/^ *$/{n;s/^ *//;}
		p;q;}' "$dir/said"
}
# Like hunt; $seed is the number of events.
torment() { # OPTION...
	mkdir -p "$dir/run"
	TMPDIR=$dir/run BUILD_DIR=$build /usr/bin/python3 -B \
		"$tree/test/nemesis/nemesis.py" --seed 1 --cycles 200 "$@" \
		>"$dir/said" 2>&1
	rm -rf "$dir/run"
	grep -q '^VIOLATION: ' "$dir/said" || return 1
	seed=$(grep -c ' gap ' "$dir/said")
}
try() { # NAME
	patch=$tree/test/mutant/$1.patch
	begin=$(date +%s)
	[ -f "$patch" ] || {
		row "$1" - 'NO SUCH MUTANT'
		return
	}
	if ! harm "$patch"; then
		row "$1" - 'DOES NOT APPLY'
	elif ! $make_it; then
		row "$1" - 'DOES NOT BUILD'
	elif $hunt_it $(sed -n "s/^# $mark: //p" "$patch"); then
		row "$1" "$seed" "$($say_it)"
	else
		row "$1" - 'NOT CAUGHT'
	fi
	mend
}

# Those that it is about; the simulator is for all.
all() {
	cd "$tree/test/mutant" || return
	if [ $mark = sim ]; then
		ls *.patch
	else
		grep -l "^# $mark: " *.patch
	fi | sed 's/\.patch$//'
}

prepare || {
	tail -n 20 "$dir/log"
	exit 2
}
make_it=simulator hunt_it=hunt say_it=words mark=sim unit=seeds
if [ "${1:-}" = --real ]; then
	shift
	make_it=daemons hunt_it=torment say_it=violation mark=nemesis
	unit=events
fi
case ${1:-} in
--fast) set -- $fast ;;
'') set -- $(all) ;;
esac
printf '%-34s %6s %5s  %s\n' mutant $unit time 'caught by'
for name; do try "$name"; done
exit $status
