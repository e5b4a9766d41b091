#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Files of one node are damaged while it is down: it heals, or says why not.

Three nodes, a topic with three replicas in small segments. Each kind of damage
is done to one node that was stopped or killed; after its start it must be in
sync by itself, its segments must hold the same bytes as those of the others,
and everything acknowledged must be read. Where it must not heal (the only copy,
a journal that lost acknowledged bytes) it has to name the file. KINDS=a,b for
some of them.
"""
import glob
import os
import random
import shutil
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import (Cluster, KafkaException, Load, check_history, expect, fail,
                    read_all)

PARTS = 2
rng = random.Random(5)


class Damage:
    """What may happen to the files of a node; each says which it was."""

    def __init__(self, data):
        self.data = data

    def dir(self, topic="t", part=0):
        return os.path.join(self.data, "log", "%s-%d" % (topic, part))

    def segments(self, topic="t", part=0):
        return sorted(glob.glob(self.dir(topic, part) + "/*.log"))

    def shorten(self, path, by):
        os.truncate(path, os.path.getsize(path) - by)
        return path

    def patch(self, path, change):
        with open(path, "r+b") as f:
            b = bytearray(f.read())
            change(b)
            f.seek(0)
            f.write(b)
        return path

    def first_segment_too_short(self):
        return self.shorten(self.segments()[0], 1)

    def last_segment_halved(self):
        path = self.segments()[-1]
        return self.shorten(path, os.path.getsize(path) // 2)

    def first_segment_gone(self):
        os.unlink(self.segments()[0])

    def middle_segment_gone(self):
        os.unlink(self.segments()[2])

    def all_segments_gone(self):
        for path in self.segments():
            os.unlink(path)

    def directory_gone(self):
        shutil.rmtree(self.dir())

    def all_directories_gone(self):
        shutil.rmtree(os.path.join(self.data, "log"))

    def bit_flipped(self):
        def change(b):
            b[rng.randrange(100, len(b))] ^= 1 << rng.randrange(8)
        return self.patch(self.segments()[1], change)

    def zeroes_in_the_middle(self):
        def change(b):
            b[len(b) // 3:len(b) // 2] = bytes(len(b) // 2 - len(b) // 3)
        return self.patch(self.segments()[2], change)

    def bytes_behind_the_end(self):
        with open(self.segments()[-1], "ab") as f:
            f.write(rng.randbytes(5000))

    def segments_swapped(self):
        a, b = self.segments()[:2]
        self.shorten(b, 3)
        os.rename(a, a + ".x")
        os.rename(b, a)
        os.rename(a + ".x", b)

    def partitions_swapped(self):
        a, b = self.dir(part=0), self.dir(part=1)
        os.rename(a, a + ".x")
        os.rename(b, a)
        os.rename(a + ".x", b)

    def metadata_gone(self):
        os.unlink(os.path.join(self.dir(), "partition.metadata"))

    def checkpoint_damaged(self):
        def change(b):
            b[30] ^= 4
        self.patch(os.path.join(self.data, "journal", "0.checkpoint"), change)

    def journal_gone(self):
        shutil.rmtree(os.path.join(self.data, "journal"))

    def logs_and_journal_gone(self):
        self.all_directories_gone()
        self.journal_gone()


KINDS = [n for n in vars(Damage) if not n.startswith("_") and
         n not in ("dir", "segments", "shorten", "patch")]
# read only where it leads: it has to become a leader to be found
AT_REST = ("bit_flipped", "zeroes_in_the_middle")


def content(c, node, part, topic="t"):
    out = b""
    for path in Damage(c.data_dir(node)).segments(topic, part):
        with open(path, "rb") as f:
            out += f.read()
    return out


def wait_same(c, what):
    """All three hold the same bytes, in all partitions."""
    end = time.time() + 30
    for part in range(PARTS):
        while True:
            have = [content(c, n, part) for n in c.kafka]
            if have[0] and have.count(have[0]) == len(have):
                break
            if time.time() > end:
                c.show_logs(15)
                fail("%s: t-%d differs: %s bytes" %
                     (what, part, [len(h) for h in have]))
            time.sleep(0.2)


def says(c, node, *words):
    with open(c.log_path(node), errors="replace") as f:
        return any(all(w in line for w in words) for line in f)


def check_all(c, load, what):
    c.wait_in_sync("t", 3)
    check_history(load, read_all(c, "t", PARTS))
    c.wait_in_sync("t", 3)  # what was found by reading has healed as well
    wait_same(c, what)


def damage_one(c, load, kind, node, clean):
    what = "%s after %s of %d" % (kind, "stop" if clean else "kill", node)
    c.stop(node) if clean else c.kill(node)
    path = getattr(Damage(c.data_dir(node)), kind)()
    open(c.log_path(node), "w").close()
    begin = time.time()
    c.start(node)
    if kind in AT_REST:
        end = time.time() + 60
        while any(c.leader_of("t", p) != node for p in range(PARTS)):
            if not says(c, node, "is copied anew"):
                expect(time.time() < end, what + ": it does not lead")
                for other in c.kafka:
                    if other != node:
                        c.stop(other)
                        c.start(other)
                c.wait_in_sync("t", 3)
            else:
                break
    check_all(c, load, what)
    print("%-42s %.1f s%s" % (what, time.time() - begin,
          ", copied anew" if says(c, node, "is copied anew") else ""))
    sys.stdout.flush()
    if path and says(c, node, "is damaged"):
        name = "/".join(path.split("/")[-3:])
        expect(says(c, node, name), "%s: the log does not name %s" % (what, name))
    if says(c, node, "set aside") and "gone" not in kind:
        expect(glob.glob(c.data_dir(node) + "/log/*-damaged"),
               what + ": nothing was kept")


def refuse_journal(c, load, node):
    """Acknowledged bytes are gone from the middle of the journal."""
    for i in range(200):
        load.send(0, 2 * 10 ** 6 + i)
        load.producer.flush(10)
    c.kill(node)
    name = max(glob.glob(c.data_dir(node) + "/journal/[0-9]*.[01]"),
               key=os.path.getmtime)
    with open(name, "r+b") as f:
        f.seek(2 * 4096 + 20)
        f.write(b"\xff" * 64)
    open(c.log_path(node), "w").close()
    c.spawn(node)
    expect(c.procs[node].wait(20) != 0, "it started with a damaged journal")
    c.procs[node].stdout.close()
    expect(says(c, node, "journal is damaged", "journal/"),
           "it does not say what is wrong")
    print("a damaged journal is refused")
    shutil.rmtree(c.data_dir(node) + "/journal")  # as the message says
    c.start(node)
    check_all(c, load, "after the refusal")
    print("and without it the node came back")


def heal_wiped(c, load, node):
    """A node with an empty disk under its old number is given everything; it
    does not vote before (src/quorum/newcomer.c)."""
    c.stop(node)
    shutil.rmtree(c.data_dir(node))
    c.start(node)
    check_all(c, load, "after its disk was wiped")
    for other in c.kafka:  # whoever leads now, the wiped one has to vote
        if other != node:
            c.kill(other)
            break
    check_quorum(c, node, other)
    c.start(other)
    check_all(c, load, "after it had to vote")
    print("a wiped node was given everything, and votes")


def check_quorum(c, node, dead):
    """Two of three elect somebody who can change something."""
    end = time.time() + 20
    while True:
        try:
            c.create("voted-%d" % node, 1, 1)
            return
        except KafkaException as e:
            expect(time.time() < end, "no quorum without node %d: %s" % (dead, e))
            time.sleep(0.3)


def keep_the_only_copy(c):
    """No other replica has it: it is not touched, and comes back mended."""
    node = 1
    c.create("alone", 3, 1, segment_bytes=1048576)
    load = Load(c, "alone", 3, rate=300)
    load.start()
    time.sleep(2)
    load.end()
    part = next(p for p in range(3) if c.leader_of("alone", p) == node)
    c.stop(node)
    path = Damage(c.data_dir(node)).segments("alone", part)[0]
    with open(path, "rb") as f:
        whole = f.read()
    os.truncate(path, len(whole) - 10)
    open(c.log_path(node), "w").close()
    c.start(node)
    end = time.time() + 20
    while not says(c, node, "only whole copy", "alone"):
        expect(time.time() < end, "it does not say that it is the only copy")
        time.sleep(0.1)
    expect(says(c, node, "is damaged", "/".join(path.split("/")[-3:])),
           "it does not name the file")
    expect(os.path.getsize(path) == len(whole) - 10, "it was touched")
    # when its fence falls it is elected once more, and says so once more
    end = time.time() + 20
    while c.leader_of("alone", part) != -1:
        expect(time.time() < end, "somebody leads what is damaged")
        time.sleep(0.1)
    c.wait_in_sync("t", 3)
    time.sleep(1)
    expect(c.leader_of("alone", part) == -1, "somebody leads what is damaged again")
    c.stop(node)
    with open(path, "wb") as f:
        f.write(whole)
    c.start(node)
    c.wait_in_sync("alone", 1)
    check_history(load, read_all(c, "alone", 3))
    print("the only copy was left alone, and came back when it was mended")


only = os.environ.get("KINDS", "").split(",") if "KINDS" in os.environ else KINDS
with Cluster(3, settings=["leader.imbalance.check.interval.seconds=1",
                          "journal.bytes=4194304"]) as c:
    c.create("t", PARTS, 3, segment_bytes=1048576)
    c.wait_in_sync("t", 3)
    load = Load(c, "t", PARTS, rate=1500, batch_num_messages=50)
    load.producer.poll(0)
    send = load.send
    load.start()
    time.sleep(1)
    load.end()
    big = Load(c, "t", PARTS, rate=1)
    for i in range(900):  # five segments of each partition
        for p in range(PARTS):
            big.producer.produce("t", b"%d:%d" % (p, 10 ** 6 + i) , partition=p,
                                 headers={"pad": rng.randbytes(6000 + 40 * p)},
                                 on_delivery=lambda e, m, p=p, i=i: e or
                                 load.acked[p].__setitem__(10 ** 6 + i, m.offset()))
        big.producer.poll(0)
    expect(big.producer.flush(60) == 0, "not all was acknowledged")
    wait_same(c, "before any damage")
    expect(len(Damage(c.data_dir(1)).segments()) >= 4, "too few segments")
    for n, kind in enumerate(only):
        damage_one(c, load, kind, 1 + n % 3, n % 2 == 0)
        if kind in ("first_segment_too_short", "directory_gone"):
            damage_one(c, load, kind, 1 + (n + 1) % 3, n % 2 == 1)
    if "KINDS" not in os.environ:
        keep_the_only_copy(c)
        refuse_journal(c, load, 2)
        heal_wiped(c, load, 3)
