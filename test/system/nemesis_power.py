#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The power goes: what was not synced is lost, on one node or on all.

First the proof that the means are right (test/lib/disk_shadow.c): with
durability=memory acknowledged records must be gone after a power cut of all
nodes, with durability=disk none may be. Then CYCLES cuts under load, some
while the nodes recover, some with a node that had been left behind.
"""
import os
import random
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
NEMESIS = os.path.join(HERE, "..", "nemesis")
sys.path[:0] = [os.path.join(HERE, "..", "lib"), NEMESIS]
from raftmq import Load, expect, read_all, skip

from cluster import Nodes, built

N = 300


def produce(c, topic):
    load = Load(c, topic, 2, rate=500)
    load.start()
    while load.total() < 2 * N:
        expect(not load.failed, "failed: %s" % load.failed[:1])
        load.join(0.05)
    load.end()
    return load


if not built("raftmqd-shadow"):
    skip("no raftmqd-shadow was built")
with Nodes({"shadow"}) as c:
    # written back lazily: hours, not seconds
    c.create("memory", 2, 3, durability="memory", flush_ms=86400000)
    c.create("disk", 2, 3, durability="disk")
    for t in ("memory", "disk"):
        c.wait_in_sync(t, 3)
    loads = {t: produce(c, t) for t in ("memory", "disk")}
    rng = random.Random(1)
    for i in c.kafka:
        c.kill(i)
    lost = [c.cut_power(i, rng, "strict") for i in c.kafka]
    c.start_all()
    for t, load in loads.items():
        c.wait_in_sync(t, 3)
        found = read_all(c, t, 2)
        missing = sum(len(a) - len({int(v.split(b":")[1]) for _, v in found[p]} & set(a))
                      for p, a in load.acked.items())
        print("durability=%s: %d acknowledged, %d of them lost" % (
            t, load.total(), missing), flush=True)
        expect(t == "disk" or missing > 0, "a power cut that loses nothing proves nothing")
        expect(t == "memory" or missing == 0, "acknowledged records are lost")
    print("unsynced bytes lost: %s" % lost, flush=True)
sys.exit(subprocess.run([sys.executable, "-B", os.path.join(NEMESIS, "nemesis.py"),
                         "--faults", "powercut,powercut,pausecut",
                         "--cycles", os.environ.get("CYCLES", "6"),
                         "--seed", os.environ.get("SEED", "1")]).returncode)
