#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The simulator's share of make check: the seeds that failed once (KEPT: only
# the latest so many), and a few more (SEEDS, 50), of which some run twice: the
# same seed is the same run.
set -u
sim=${SIM:-./raftmq-sim}
seeds=${SEEDS:-50}
kept=${srcdir:-$(dirname "$0")/..}/test/sim/seeds
status=0

# beside the others: this is the longest of all tests
(
	"$sim" -q -s 1 -n "$seeds" && "$sim" -q -s 1000 -n 5 --twice
) >sim.more 2>&1 &
more=$!
tail -n "${KEPT:-1000}" "$kept" >sim.kept
while read -r seed option what; do
	case $seed in '' | \#*) continue ;; esac
	set -- "$sim" -q -s "$seed"
	while [ "$option" ] && [ "$option" != - ]; do
		one=${option%%+*}
		set -- "$@" "${one%%=*}" "${one#*=}"
		option=${option#"$one"} option=${option#+}
	done
	"$@" >sim.out 2>&1 || {
		echo "seed $seed, which failed once ($what):"
		cat sim.out
		status=1
	}
done <sim.kept
wait $more || status=1
cat sim.more
rm -f sim.out sim.more sim.kept
exit $status
