#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Real faults on real processes.

Three nodes, each in a network name space of its own where that can be had;
idempotent producers with acks=all and readers; faults by chance from a seed.
A round is some events on a topic of its own; at its end everything is read
again and judged: nothing acknowledged is lost, moved or doubled, nothing was
read that is not there. One line is printed for each event and a table at the
end. After a violation logs, directories and history stay, and it exits 1.
"""
import argparse
import collections
import contextlib
import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import net
from raftmq import KafkaException, read_all, skip

import cluster
import faults
import record
from churn import Churn
from clients import Clients, judge, kafka_libs, now_us
from cluster import Nodes, Violation
from probe import Probe

PARTITIONS = 6
HEAL_S = 60


def percentile(values, q):
    v = sorted(values)
    return v[min(len(v) - 1, int(q * len(v)))] if v else None


class Figures:
    """By kind of event: gaps, times to ready, times until all are in sync."""

    def __init__(self):
        self.by_kind = collections.defaultdict(lambda: collections.defaultdict(list))
        self.counts = collections.Counter()

    def add(self, kind, what, ms):
        self.by_kind[kind][what].append(ms)

    def table(self):
        out = ["%-26s %6s  %-20s %-20s %-20s %-20s" % (
            "ms: p50/p99/max", "events", "gap in acks", "other leaders named",
            "exec to ready", "all in sync after")]
        for kind in sorted(self.by_kind):
            row = self.by_kind[kind]
            cells = ["%.0f/%.0f/%.0f" % (percentile(row[w], 0.5), percentile(row[w], 0.99),
                                         max(row[w])) if row[w] else "-"
                     for w in ("gap", "named", "ready", "sync")]
            out.append("%-26s %6d  %-20s %-20s %-20s %-20s" % (
                kind, len(row["gap"]), *cells))
        out.append(", ".join("%d %s" % (n, what) for what, n in sorted(self.counts.items())))
        return "\n".join(out)


class Run:
    """What the faults (faults.py) act on."""

    def __init__(self, options, parts):
        self.options = options
        self.rng = random.Random(options.seed)
        self.figures = Figures()
        self.nodes = Nodes(parts, SETTINGS + (options.define or []))
        self.clients, self.churn = None, None
        self.events, self.round = 0, 0
        self.begin = time.monotonic()
        self.ready, self.log_pos = [], {}

    @property
    def ids(self):
        return sorted(self.nodes.kafka)

    def count(self, what, n=1):
        self.figures.counts[what] += n

    # ---- what is where

    def ask(self, what):
        end = time.monotonic() + 30
        while True:
            try:
                return what()
            except KafkaException as e:
                if time.monotonic() > end:
                    raise Violation("no metadata for 30 s: %s" % e)
                time.sleep(0.1)

    def leader(self, partition=None):
        if partition is None:
            partition = self.rng.randrange(PARTITIONS)
        while True:
            i = self.ask(lambda: self.nodes.leader_of(self.clients.topic, partition))
            if i in self.nodes.wanted:
                return i
            time.sleep(0.05)

    def quorum_leader(self):
        while True:
            i = self.ask(lambda: self.nodes.controller())
            if i in self.nodes.wanted:
                return i
            time.sleep(0.05)

    def follower(self):
        not_it = {self.quorum_leader(), self.leader()}
        return self.rng.choice([i for i in self.ids if i not in not_it] or self.ids)

    def someone(self, roles=("leader", "quorum leader", "follower")):
        role = self.rng.choice(roles)
        return role, {"leader": self.leader, "quorum leader": self.quorum_leader,
                      "follower": self.follower}[role]()

    # ---- what can be done to it

    def kill(self, *nodes):
        for i in nodes:
            self.nodes.kill(i)
        self.count("kill -9", len(nodes))

    def start(self, *nodes):
        for i in nodes:
            self.nodes.launch(i)
        for i in nodes:
            ms = self.nodes.ready(i)
            if ms is None:
                raise Violation("node %d was not ready in %d s, status %s" % (
                    i, cluster.READY_S, self.nodes.status(i)))
            self.ready.append(ms)

    def acks(self, timeout=30, since=None):
        """Until every partition has acknowledged something sent from now on."""
        missing = self.clients.wait_acks(since or now_us(), timeout)
        if missing:
            raise Violation("partitions %s: nothing acknowledged in %d s" % (
                missing, timeout))

    def in_sync(self):
        topic, begin = self.clients.topic, time.monotonic()
        while time.monotonic() < begin + HEAL_S:
            try:
                t = self.nodes.metadata(topic).topics[topic]
                if len(t.partitions) == PARTITIONS and all(
                        len(p.isrs) == 3 and p.leader > 0 for p in t.partitions.values()):
                    return
            except KafkaException:
                pass
            self.check_alive()
            time.sleep(0.02)
        raise Violation("not in sync after %d s: %s" % (
            HEAL_S, {p.id: (p.leader, p.isrs) for p in t.partitions.values()}))

    def check_alive(self):
        dead = self.nodes.status_of_dead()
        if dead:
            raise Violation("nodes ended by themselves: %s" % dead)

    @contextlib.contextmanager
    def probe(self, victim, for_s=30):
        """Around a fault: how soon others lead what the victim led."""
        p = Probe(self.nodes, self.clients.topic, victim)
        p.start()
        yield
        ms = p.wait(0 if for_s < 30 else 5)
        if ms is not None and ms < 1000 * for_s:
            self.named.append(ms)

    # ---- an event, a round, a run

    def event(self, name):
        kind, do = name, faults.FAULTS[name]
        self.ready, self.named, since = [], [], now_us()
        self.happened.append((since, name))
        label = do(self)
        kind = label.split(":")[0] if ":" in label else kind
        healed = now_us()
        self.acks()
        self.in_sync()
        until = now_us()
        self.check_alive()
        gap = self.clients.gap_ms(since, until)
        self.figures.add(kind, "gap", gap)
        self.figures.add(kind, "sync", (until - healed) / 1000)
        for ms in self.ready:
            self.figures.add(kind, "ready", ms)
        for ms in self.named:
            self.figures.add(kind, "named", ms)
        self.events += 1
        self.check_logs()
        print("%7.1f s  %4d  %-52s gap %5.0f ms%s, in sync %5.0f ms" % (
            time.monotonic() - self.begin, self.events, label, gap,
            ", ready " + "/".join("%d" % r for r in self.ready) if self.ready else "",
            (until - healed) / 1000), flush=True)

    def check_logs(self):
        """An assertion is a violation; other errors are counted."""
        for i in self.ids:
            with open(self.nodes.log_path(i), errors="replace") as f:
                f.seek(self.log_pos.get(i, 0))
                lines = f.readlines()
                self.log_pos[i] = f.tell()
            for line in lines:
                if "ssertion" in line or "Sanitizer" in line or "differs" in line:
                    raise Violation("node %d: %s" % (i, line.strip()))
                if "level=error" in line and "msg=" in line:
                    self.count('"%s"' % line.split('msg="')[1].split('"')[0])

    def enough(self):
        o = self.options
        return ((o.cycles and self.events >= o.cycles) or
                (o.minutes and time.monotonic() > self.begin + 60 * o.minutes))

    def one_round(self):
        self.round += 1
        topic = "t%d" % self.round
        self.nodes.create(topic, PARTITIONS, 3)
        self.nodes.wait_in_sync(topic, 3)
        self.clients = Clients(self.nodes, topic, PARTITIONS, self.options.rate,
                               self.options.java)
        self.happened, self.found = [], {}
        self.clients.start()
        self.acks()
        time.sleep(1)
        if "churn" in self.options.faults:
            self.churn = Churn(self)
            self.churn.start()
        end = time.monotonic() + self.options.round
        while time.monotonic() < end and not self.enough():
            self.event(self.rng.choice(self.options.events))
            time.sleep(self.rng.uniform(0.1, 0.5))
        self.finish_round(topic)

    def finish_round(self, topic):
        if self.churn:
            self.churn.end()
        self.in_sync()
        self.clients.stop()
        found = self.found = read_all(self.nodes, topic, PARTITIONS, 120)
        self.clients.stop_readers()
        self.clients.learn(found)
        for at, parts, said in self.clients.senders[0].hung:
            print("           at %d a producer hung for partitions %s, others did not; "
                  "its last words:" % (at, parts))
            for when, text in said[-self.options.words:]:
                print("           %d %s" % (when, text))
        path = os.path.join(self.nodes.dir, "history.txt")
        record.write(path, self.clients, found, self.happened, now_us())
        bad = judge(self.clients, found) or record.judge(path)
        if bad is None:
            self.count("rounds without check-history")
        if bad:
            raise Violation("the history of %s:\n    %s" % (topic, "\n    ".join(bad)))
        for t in self.clients.senders:
            self.count("acknowledged to %s" % t.name, sum(op[4] == "ok" for op in t.ops))
        self.count("producers that gave up",
                   sum(len(getattr(t, "fatal", [])) for t in self.clients.senders))
        self.count("producers that hung", len(self.clients.senders[0].hung))
        self.count("gaps that librdkafka saw",
                   sum(len(getattr(t, "gaps", [])) for t in self.clients.senders))
        self.count("records read", sum(len(g) for t in self.clients.readers
                                       for _, _, g in t.polls))
        self.ask(lambda: [f.result() for f in
                          self.nodes.admin().delete_topics([topic]).values()])
        print("%7.1f s  round %d: %d records, nothing lost, doubled or moved" % (
            time.monotonic() - self.begin, self.round, self.clients.acked()), flush=True)

    def keep(self, why):
        """After a violation: everything, for a look at it."""
        self.nodes.own_dir = False
        for i in self.nodes.wanted:
            self.nodes.signal(i, 9)
        if self.clients:
            self.clients.stop_processes()
            record.write(os.path.join(self.nodes.dir, "history.txt"), self.clients,
                         self.found, self.happened, now_us())
        with open(os.path.join(self.nodes.dir, "violation.txt"), "w") as f:
            f.write(why + "\n")
            for t in self.clients.senders if self.clients else ():
                for at, text in getattr(t, "gaps", []):
                    f.write("%d %s\n" % (at, text))
        print("VIOLATION: %s\nseed %d; everything is in %s" % (
            why, self.options.seed, self.nodes.dir), flush=True)

    def main(self):
        try:
            for i in self.ids:
                self.nodes.launch(i)
            for i in self.ids:
                if self.nodes.ready(i) is None:
                    raise Violation("node %d did not start" % i)
            while not self.enough():
                self.one_round()
            return 0
        except Violation as e:
            self.keep(str(e))
            return 1
        except BaseException as e:
            self.keep("%s: %s" % (type(e).__name__, e))
            raise
        finally:
            print(self.figures.table(), flush=True)
            self.nodes.end()


# small files, so that they roll, are recycled and cut in a run
SETTINGS = ["log.segment.bytes=262144", "journal.bytes=2097152",
            "quorum.snapshot.entries=200", "group.initial.rebalance.delay.ms=0"]


def parse():
    names = sorted(faults.FAULTS) + ["churn"]
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6))
    p.add_argument("--cycles", type=int, help="events, then it ends")
    p.add_argument("--minutes", type=float)
    p.add_argument("--round", type=float, default=60, help="seconds of one topic")
    p.add_argument("--rate", type=float, default=200, help="records/s per partition")
    p.add_argument("--faults", default="kill,killall,pause,partition,damage,wipe,churn",
                   help="of " + ",".join(names) + "; some may be named twice")
    p.add_argument("--pause-max", type=float, default=20, help="seconds of SIGSTOP")
    p.add_argument("--java", action="store_true", help="Java's producer as well, where "
                   "test/lib/get-kafka.sh has fetched it before")
    p.add_argument("--words", type=int, default=10,
                   help="of a client that hung: so many lines of its own")
    p.add_argument("--no-net", action="store_true", help="without name spaces")
    p.add_argument("-D", dest="define", action="append", help="a setting of the nodes")
    o = p.parse_args()
    o.faults = o.faults.split(",")
    for f in o.faults:
        if f not in names:
            p.error("no fault '%s'; there are %s" % (f, ", ".join(names)))
    o.events = [f for f in o.faults if f != "churn"]
    if not o.cycles and not o.minutes:
        o.cycles = 30
    return o


def parts_of(o):
    """What the faults need; skips those that this machine cannot have."""
    parts = set()
    lacks = {}
    if o.no_net:
        lacks["net"] = "--no-net"
    elif net.inside():
        parts.add("net")
    else:
        lacks["net"] = net.lacking() or "?"
    if os.geteuid() != 0:
        lacks["disk"] = "mounting a small file system needs root"
    if not cluster.faketime_library():
        lacks["clock"] = "no libfaketime here"
    if not cluster.built("raftmqd-shadow"):
        lacks["shadow"] = "no raftmqd-shadow was built"
    for fault, part in faults.NEEDS.items():
        if fault in o.events and part in lacks:
            print("skipped: %s: %s" % (fault, lacks[part]))
            o.events = [f for f in o.events if f != fault]
        elif fault in o.events:
            parts.add(part)
    return parts


def main():
    o = parse()
    if not o.no_net and not net.inside() and not net.lacking():
        net.enter()
    parts = parts_of(o)
    if o.java and not kafka_libs():
        print("skipped: Java's producer: no Kafka jars here")
        o.java = False
    if not o.events:
        skip("nothing is left to do")
    print("seed %d, faults %s, with %s" % (o.seed, ",".join(o.events),
                                           ",".join(sorted(parts)) or "nothing"), flush=True)
    return Run(o, parts).main()


if __name__ == "__main__":
    sys.exit(main())
