#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A full disk refuses, loses nothing, and goes on when there is room again.

One node on a file system of its own (SIZE MiB of tmpfs, mounted here, so it
needs root), filled by records until they are refused. Deleting a topic makes
room; then it takes records again without a restart; and after SIGKILL at the
full disk everything acknowledged is there.
"""
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, Producer, expect, fail, read_all, skip

SIZE = 256


def produce(c, topic, n, size=10000, timeout=3000):
    acked, failed = [], []
    p = Producer({"bootstrap.servers": c.bootstrap, "log_level": 0, "acks": "all",
                  "message.timeout.ms": timeout, "queue.buffering.max.kbytes": 20000})

    def done(i):
        return lambda e, m: failed.append(str(e)) if e else acked.append(i)
    for i in range(n):
        while True:
            try:
                p.produce(topic, (b"%09d" % i).ljust(size, b"."), on_delivery=done(i))
                break
            except BufferError:
                p.poll(0.1)
        p.poll(0)
        if failed:
            break
    p.flush(30)
    return acked, failed


if os.geteuid() != 0:
    skip("mounting a small file system needs root")
mount = tempfile.mkdtemp(prefix="raftmq-full.")
r = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % SIZE, "none", mount],
                   capture_output=True, text=True)
if r.returncode:
    os.rmdir(mount)
    skip("cannot mount a tmpfs here: " + r.stderr.strip())
try:
    with Cluster(1, data=mount) as c:
        c.create("small", 1, 1)
        first, _ = produce(c, "small", 100)
        expect(len(first) == 100, "an empty disk refuses")
        acked, failed = produce(c, "big", 40000)
        expect(failed, "%d records of 10 kB fit on %d MiB" % (len(acked), SIZE))
        print("%d records, then: %s" % (len(acked), failed[0]))
        expect(c.alive(1), "the full disk killed the node")
        got = [int(v[:9]) for _, v in read_all(c, "big", 1)[0]]
        expect(set(acked) <= set(got), "acknowledged records are missing")
        c.kill(1)
        c.start(1)
        got = [int(v[:9]) for _, v in read_all(c, "big", 1)[0]]
        expect(set(acked) <= set(got), "after SIGKILL acknowledged records are missing")
        for f in c.admin().delete_topics(["big"]).values():
            f.result()
        end = time.time() + 20
        while True:
            more, failed = produce(c, "small", 50)
            if len(more) == 50:
                break
            expect(time.time() < end, "no room after the deletion: %s" % failed[:1])
            time.sleep(1)
        got = [int(v[:9]) for _, v in read_all(c, "small", 1)[0]]
        expect(len(got) >= 150, "%d records in small" % len(got))
        print("room again after the big topic was deleted")
finally:
    subprocess.run(["umount", "-l", mount])
    os.rmdir(mount)
