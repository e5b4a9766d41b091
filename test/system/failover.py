#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Leaders die, one after another: nothing acknowledged is lost or doubled.

An idempotent librdkafka producer with acks=all over six partitions with three
replicas, while partition leaders and then the quorum leader are killed with
SIGKILL and started again. ROUNDS=n for more of it.
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, Load, check_history, expect, read_all

ROUNDS = int(os.environ.get("ROUNDS", "1"))
GAP_MAX = 1.5

with Cluster(3) as c:
    c.create("t", 6, 3)
    c.wait_in_sync("t", 3)
    load = Load(c, "t", 6)
    load.start()
    time.sleep(2)
    kills = []
    for r in range(ROUNDS):
        for what in ("leader of t-0", "leader of t-1", "quorum leader"):
            victim = (c.controller() if what == "quorum leader"
                      else c.leader_of("t", int(what[-1])))
            since = time.time()
            c.kill(victim)
            kills.append((victim, what, since))
            time.sleep(3)
            c.start(victim)
            c.wait_in_sync("t", 3)
            time.sleep(1)
    load.end()
    gaps = []
    for victim, what, since in kills:
        gaps.append(load.gap(since - 0.5, since + 4))
        print("killed %d (%s): gap %.0f ms" % (victim, what, gaps[-1] * 1000))
    expect(not load.failed, "failed: %s" % load.failed[:3])
    check_history(load, read_all(c, "t", 6))
    print("%d records, longest gap %.0f ms" % (load.total(), max(gaps) * 1000))
    expect(max(gaps) < GAP_MAX, "a gap of %.2f s" % max(gaps))
