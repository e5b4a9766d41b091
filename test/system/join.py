#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A node that stands in no list of peers joins a cluster that lives: it is sent
on to the quorum's leader, gets the agreed log as a snapshot, takes replicas, is
killed and comes back, and holds its copies when another is gone."""
import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import (BUILD, SANITIZED, Cluster, Load, check_history, expect, fail,
                    free_ports, read_all)

FIRST = 3  # they are the peers; whoever has a higher number joins
SLOW = 4 if SANITIZED else 1


class Growing(Cluster):
    def add(self, i, by):
        self.kafka[i], self.http[i], self.peer[i] = free_ports(3)
        self.host[i] = "127.0.0.1"
        self.by = by
        self.start(i)

    def command(self, i):
        if i <= FIRST:
            peers, mine = dict(self.peer), self.peer
            self.peer = {j: p for j, p in mine.items() if j <= FIRST}
            cmd = super().command(i)
            self.peer = peers
            return cmd
        cmd = [os.path.join(BUILD, self.program), "--node-id", str(i),
               "--listen", "127.0.0.1:%d" % self.kafka[i],
               "--http", "127.0.0.1:%d" % self.http[i],
               "--data-dir", self.data_dir(i),
               "-D", "peer.listen=127.0.0.1:%d" % self.peer[i],
               "--join", "127.0.0.1:%d" % self.peer[self.by]]
        for s in self.settings:
            cmd += ["-D", s]
        return cmd


def admin(cluster, *args):
    r = subprocess.run([os.path.join(BUILD, "raftmq-admin"), "-b",
                        cluster.bootstrap, *args], capture_output=True,
                       text=True, timeout=30)
    expect(r.returncode == 0, "%s: %s" % (args, r.stdout + r.stderr))
    return r.stdout


def wait_for(what, condition, seconds=30):
    end = time.time() + seconds * SLOW
    while time.time() < end:
        if condition():
            return
        time.sleep(0.1)
    fail("not within %d s: %s" % (seconds * SLOW, what))


with Growing(3, settings=["quorum.snapshot.entries=64"]) as c:
    for i in range(40):  # the agreed log begins with a snapshot by now
        c.create("early%d" % i, 1, 3)
    c.create("t", 4, 3)
    load = Load(c, "t", 4, rate=100)
    load.start()

    leader = c.controller()
    other = next(i for i in (1, 2, 3) if i != leader)
    c.add(4, by=other)  # is sent on to the leader
    print("node 4 was ready after %d ms" % c.ready_ms[4])
    expect(sorted(c.metadata().brokers) == [1, 2, 3, 4],
           "the brokers are %s" % sorted(c.metadata().brokers))
    status = admin(c, "quorum", "status")
    expect(len([x for x in status.splitlines() if x.split()[:1] == ["4"]]) == 1,
           "quorum status knows no node 4:\n" + status)
    c.create("wide", 3, 4)
    wide = Load(c, "wide", 3, rate=100)
    wide.start()
    c.wait_in_sync("wide", 4)
    time.sleep(1)

    # it comes back, by whomever it is told to ask
    c.kill(4)
    c.by = leader
    c.start(4)
    c.wait_in_sync("wide", 4, 60 * SLOW)
    c.kill(leader)
    wait_for("another quorum leader", lambda: c.controller() not in (leader, -1))
    time.sleep(1)
    c.kill(4)  # it does not vote: two of three are enough
    c.start(4)
    c.start(leader)
    c.wait_in_sync("wide", 4, 60 * SLOW)
    c.wait_in_sync("t", 3, 60 * SLOW)

    # a member that all others have to find: nobody is left who saw it join
    for l in (load, wide):
        l.end()
    c.kill_all()
    c.start_all(60 * SLOW)
    c.wait_in_sync("wide", 4, 60 * SLOW)
    check_history(load, read_all(c, "t", 4))
    check_history(wide, read_all(c, "wide", 3))
    for l in (load, wide):
        expect(not l.failed, "failed: %s" % l.failed[:3])
    print("%d and %d acknowledged, none lost, longest gap %.0f ms" %
          (load.total(), wide.total(), 1000 * max(load.gap(), wide.gap())))
