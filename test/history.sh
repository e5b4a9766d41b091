#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# check-history and history.py, from any build directory; part of make check:
# what Python writes is read, judged, and told by exit status and as JSON.
top=$(cd "${srcdir:-$(dirname "$0")/..}" && pwd) || exit 1
check=$PWD/check-history
command -v python3 >/dev/null || { echo "no python3 here"; exit 77; }
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail() {
	echo "FAILED: $*"
	exit 1
}
# status WANTED ARGUMENTS...: runs check-history, output in $dir/out
status() {
	wanted=$1
	shift
	"$check" "$@" >"$dir/out" 2>"$dir/err"
	got=$?
	[ $got = "$wanted" ] || {
		cat "$dir/out" "$dir/err"
		fail "check-history $*: exit $got, not $wanted"
	}
}

PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$top/test/lib \
	python3 - "$dir" "$(dirname "$check")" <<'END' || fail "history.py"
import sys
from history import History, judge

dir, build = sys.argv[1:]


def run(path, lose):
    """Every kind of operation; with lose the scan leaves one record out."""
    with History(path) as h:
        h.key("t", 0, "retention")
        values = [h.value() for _ in range(4)]
        sends = [h.send(1, "t", 0, v, producer=7, sequence=i)
                 for i, v in enumerate(values)]
        for offset, s in enumerate(sends):
            s.ok(offset)
        h.send(1, "t", 0, h.value(), acks=1, retried=True).info()
        h.send(1, "t", 0, h.value(), acks=0).fail()
        h.send(1, "t", 0, h.value())  # stays open
        h.own(2, "g", "t", 0, 1)
        p = h.poll(2, "subscribe")
        p.read("t", 0, 0, values[0])
        p.read("t", 0, 1, values[1])
        p.ok()
        h.commit(2, "g", "t", 0, 2, 1).ok()
        h.fetch(3, "g", "t", 0).ok(2)
        h.seek(4, "t", 0, 1)
        p = h.poll(4, committed=True)
        p.answer("t", 0, position=1, hw=4, log_start=0, stable=4, epoch=3)
        p.read("t", 0, 1, values[1])
        p.ok()
        h.crash(4)
        h.fault("kill -9")
        h.cut()
        h.start(5, "t", 0, 1).ok()
        h.delete(5, "u").fail()
        p = h.poll(6, "final")
        p.answer("t", 0, position=1, hw=4, log_start=1)
        for offset in (1, 3) if lose else (1, 2, 3):
            p.read("t", 0, offset, values[offset])
        p.ok()


run(dir + "/good", False)
run(dir + "/bad", True)
valid, verdict = judge(build, dir + "/good")
assert valid and verdict["valid"] and verdict["errors"] == {}, verdict
assert (verdict["ops"], verdict["sends_ok"], verdict["sends_info"],
        verdict["sends_fail"], verdict["outages"]) == (19, 4, 2, 1, 2), verdict
valid, verdict = judge(build, dir + "/bad")
assert not valid and verdict["errors"] == {"lost-write": 1}, verdict
assert verdict["lines"][0].startswith("lost-write t/0: value 2 "), verdict
END

status 0 "$dir/good"
grep -q '^valid: 19 operations' "$dir/out" || fail "no verdict in words"
status 1 "$dir/bad"
grep -q '^ *1 lost-write$' "$dir/out" || fail "no count of lost-write"
status 1 "$dir/good" "$dir/bad"
status 0 - <"$dir/good"

# clients that wrote a file each are one history
grep -v '^send' "$dir/good" >"$dir/reader"
grep '^send' "$dir/good" >"$dir/writer"
status 1 "$dir/reader"
status 1 "$dir/writer" "$dir/reader"
status 0 --merge "$dir/reader" "$dir/writer"

echo 'send 1 2 3 ok t/0 all' >"$dir/broken"
status 2 "$dir/broken"
grep -q "broken:1: " "$dir/err" || fail "no line number: $(cat "$dir/err")"
status 2 "$dir/none"
status 2
status 2 --lines x "$dir/good"
