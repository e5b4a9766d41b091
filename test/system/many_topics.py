#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A thousand topics of ten partitions: made in one go, restarted with, idle.

On a memory file system where there is one: ext4 takes long to make twenty
thousand files where others have just deleted as many, and that is not what is
measured here. DATA=/some/where for another place.
"""
import atexit
import os
import shutil
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import Cluster, NewTopic, expect

N = int(os.environ.get("TOPICS", "1000"))
place = os.environ.get("DATA", "/dev/shm")
if not os.access(place, os.W_OK):
    place = None
data = tempfile.mkdtemp(prefix="raftmq-test.", dir=place)
atexit.register(shutil.rmtree, data, True)

with Cluster(1, data=data) as c:
    begin = time.time()
    futures = c.admin().create_topics(
        [NewTopic("topic-%d" % i, 10, 1) for i in range(N)],
        operation_timeout=30, request_timeout=30)
    for f in futures.values():
        f.result()
    made = time.time() - begin
    print("%d topics with 10 partitions each: %.2f s" % (N, made))
    expect(made < 5, "creation took %.1f s" % made)
    topics = c.metadata().topics
    expect(sum(len(t.partitions) for t in topics.values()) == 10 * N,
           "not all partitions are there")
    time.sleep(3)
    cpu = c.cpu_s(1)
    time.sleep(10)
    idle = (c.cpu_s(1) - cpu) / 10
    print("idle: %.1f %% of a core, %d MiB resident" % (100 * idle, c.rss_kb(1) >> 10))
    expect(idle < 0.02, "idle costs %.1f %% of a core" % (100 * idle))
    for how in ("stop", "kill"):
        getattr(c, how)(1)
        begin = time.time()
        c.start(1)
        print("start after %s: %.2f s" % (how, time.time() - begin))
        expect(time.time() - begin < 2, "a start took %.1f s" % (time.time() - begin))
        topics = c.metadata().topics
        expect(all(p.leader == 1 for t in topics.values()
                   for p in t.partitions.values()), "partitions without leader")
