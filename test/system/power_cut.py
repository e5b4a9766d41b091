#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""All nodes are killed at once, under load, again and again: what was
acknowledged is there afterwards, once."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, Load, check_history, expect, read_all

ROUNDS = int(os.environ.get("ROUNDS", "3"))

with Cluster(3) as c:
    c.create("t", 6, 3)
    c.wait_in_sync("t", 3)
    load = Load(c, "t", 6)
    load.start()
    for r in range(ROUNDS):
        time.sleep(2)
        c.kill_all()
        before = load.total()
        begin = time.time()
        c.start_all()
        while load.total() == before:
            expect(time.time() < begin + 30, "nothing acknowledged after 30 s")
            time.sleep(0.05)
        print("cut %d: first acknowledgement %.1f s after the start" % (
            r + 1, time.time() - begin), flush=True)
    time.sleep(1)
    load.end()
    expect(not load.failed, "failed: %s" % load.failed[:3])
    check_history(load, read_all(c, "t", 6))
    print("%d records" % load.total())
