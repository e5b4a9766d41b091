# SPDX-License-Identifier: Apache-2.0
"""The faults. Each is given the run, does its harm, mends it, and returns what
it did: "kind: details", the kind being a row of the table."""
import os
import shutil
import signal
import time

import damage as files
import shadow
from cluster import Violation
from net import CLIENTS


def pick_pause(run):
    """0.1 to 20 s, mostly short."""
    return min(run.options.pause_max, 0.1 * 10 ** run.rng.triangular(0, 2.3, 0.8))


# ---- processes ---------------------------------------------------------------

def kill(run):
    role, i = run.someone()
    with run.probe(i):
        run.kill(i)
        run.acks()
    if run.rng.random() < 0.3:
        time.sleep(run.rng.uniform(0, 1.5))
    again = 0
    while run.rng.random() < 0.3:  # and while it recovers
        run.nodes.launch(i)
        time.sleep(run.rng.uniform(0, 0.15))
        run.kill(i)
        again += 1
    run.start(i)
    return "kill %s: node %d%s" % (role, i, ", %d more while it started" % again
                                   if again else "")


def kill_two(run):
    """One after the other, the second while the first comes back."""
    _, i = run.someone()
    run.kill(i)
    run.nodes.launch(i)
    time.sleep(run.rng.uniform(0, 0.6))
    j = run.rng.choice([n for n in run.ids if n != i])
    run.kill(j)
    if run.rng.random() < 0.5:
        run.start(j)
    else:
        time.sleep(run.rng.uniform(0, 1))
        run.start(j)
    ms = run.nodes.ready(i)
    if ms is None:
        raise Violation("node %d was not ready" % i)
    return "kill two: nodes %d, %d" % (i, j)


def killall(run):
    nodes = run.rng.sample(run.ids, 3)
    gap = run.rng.choice((0, 0, 0.01, 0.2))
    for i in nodes:
        run.kill(i)
        time.sleep(run.rng.uniform(0, gap))
    if run.rng.random() < 0.3:
        for i in nodes:
            run.nodes.launch(i)
        time.sleep(run.rng.uniform(0, 0.3))
        run.kill(*nodes)
    run.rng.shuffle(nodes)
    run.start(*nodes)
    return "kill all"


def pause(run):
    role, i = run.someone()
    s = pick_pause(run)
    with run.probe(i, s):
        run.nodes.freeze(i)
        time.sleep(s)
        run.nodes.signal(i, signal.SIGCONT)
    run.count("SIGSTOP")
    return "pause %s: node %d for %.1f s" % (role, i, s)


def term(run):
    role, i = run.someone()
    run.nodes.wanted.discard(i)
    run.nodes.signal(i, signal.SIGTERM)
    status = run.nodes.procs[i].wait(30)
    run.nodes.procs[i].stdout.close()
    if status:
        raise Violation("node %d ended with %d after SIGTERM" % (i, status))
    run.count("SIGTERM")
    time.sleep(run.rng.uniform(0, 0.5))
    run.start(i)
    return "stop %s: node %d" % (role, i)


# ---- the network -------------------------------------------------------------

def partition(run):
    net, rng = run.nodes.net, run.rng
    kind = rng.choice(("isolate leader", "isolate quorum leader", "isolate from peers",
                       "ring", "one way", "clients", "flap"))
    s = rng.uniform(0.3, 5)
    i = run.quorum_leader() if kind == "isolate quorum leader" else run.leader()
    j, k = rng.sample([n for n in run.ids if n != i], 2)
    if kind in ("isolate leader", "isolate quorum leader"):
        net.isolate(i)
    elif kind == "isolate from peers":
        net.isolate(i, clients=False)
    elif kind == "ring":
        net.cut((i, j), (j, i))
    elif kind == "one way":
        net.cut(*rng.choice((((i, j), (i, k)), ((j, i), (k, i)), ((i, j),), ((j, i),))))
    elif kind == "clients":
        net.cut((i, CLIENTS), (CLIENTS, i))
    else:
        end, step = time.monotonic() + s, rng.choice((0.1, 0.3, 1.0))
        while time.monotonic() < end:
            net.isolate(i)
            time.sleep(rng.uniform(0, step))
            net.heal()
            time.sleep(rng.uniform(0, step))
    time.sleep(0 if kind == "flap" else s)
    net.heal()
    run.count("partitions")
    return "partition, %s: node %d for %.1f s" % (kind, i, s)


def proxy(run):
    rng, tell = run.rng, run.nodes.tell_proxy
    node = "node %d " % run.leader() if rng.random() < 0.5 else ""
    kind = rng.choice(("delay", "stall", "reset", "half", "pieces", "mix"))
    lines = {"delay": ["delay %d %d" % (rng.randint(1, 200), rng.randint(0, 200))],
             "stall": ["stall %.2f" % rng.uniform(0.01, 0.5)],
             "reset": ["reset %.2f" % rng.uniform(0.05, 0.8)],
             "half": ["half %.2f" % rng.uniform(0.05, 0.8)],
             "pieces": ["pieces %d" % rng.choice((1, 7, 100, 1000))]}
    lines["mix"] = sum([lines[k] for k in rng.sample(sorted(lines), 3)], [])
    for line in lines[kind]:
        tell(node + line)
    s = rng.uniform(0.5, 4)
    time.sleep(s)
    tell("calm")
    run.count("bad networks")
    return "proxy, %s: %s%s for %.1f s" % (kind, node, ", ".join(lines[kind]), s)


# ---- disks -------------------------------------------------------------------

def blow(balloon, top, room):
    """The node writes meanwhile: what is free changes."""
    with open(balloon, "wb", 0) as f:
        while True:
            st = os.statvfs(top)
            n = st.f_bavail * st.f_frsize - room
            if n <= 0:
                return
            try:
                f.write(b"x" * min(n, 1 << 20))
            except OSError:
                if n < 1 << 20:
                    return


def disk(run):
    """Full but for a few pages; then maybe a kill at the full disk."""
    role, i = run.someone()
    top = os.path.dirname(run.nodes.data_dir(i))
    balloon = os.path.join(top, "balloon")
    room = run.rng.choice((0, 0, 4096, 16384, 65536, 262144))
    blow(balloon, top, room)
    time.sleep(run.rng.uniform(0.5, 4))
    killed = run.rng.random() < 0.4
    came = True
    if i in run.nodes.status_of_dead():
        run.nodes.wanted.discard(i)
        run.nodes.procs[i].stdout.close()
        raise Violation("node %d ended at a full disk" % i)
    if killed:
        run.kill(i)
        run.nodes.launch(i)
        came = run.nodes.ready(i, 3) is not None
        if not came and run.nodes.status(i) is not None:
            if run.nodes.status(i) not in (1, 2):
                raise Violation("node %d started at a full disk: status %d" % (
                    i, run.nodes.status(i)))
            run.count("starts refused at a full disk")
            run.nodes.wanted.discard(i)
    os.unlink(balloon)
    if i not in run.nodes.wanted:
        run.start(i)
    elif not came and run.nodes.ready(i) is None:
        raise Violation("node %d was not ready after the disk had room" % i)
    run.count("full disks")
    return "full disk%s: %s node %d, %d bytes left" % (
        " and kill" if killed else "", role, i, room)


def damage(run):
    """Files of one node while it is down. It heals, or it refuses in words;
    then the operator does what the words say: brings back what was there."""
    run.in_sync()
    role, i = run.someone()
    run.kill(i)
    run.acks()
    top, saved = run.nodes.data_dir(i), run.nodes.data_dir(i) + ".saved"
    shutil.copytree(top, saved)
    what = [files.damage(top, run.rng, run.rng.choice(files.KINDS))
            for _ in range(run.rng.choice((1, 1, 1, 3)))]
    run.count("damaged files", len(what))
    run.nodes.settle_disk(i)
    outcome = "healed" if starts_damaged(run, i) else "refused"
    if outcome == "refused":
        shutil.rmtree(top)
        os.rename(saved, top)
        run.nodes.settle_disk(i)
        run.start(i)
    shutil.rmtree(saved, ignore_errors=True)
    run.count("damage " + outcome)
    return "damage %s: node %d %s: %s" % (what[0][0], i, outcome,
                                          "; ".join(w for _, w in what))


def starts_damaged(run, i):
    before = os.path.getsize(run.nodes.log_path(i))
    run.nodes.launch(i)
    if run.nodes.ready(i, 10) is not None:
        return True
    status = run.nodes.status(i)
    if status is None:
        raise Violation("node %d neither starts nor refuses" % i)
    if status not in (1, 2):
        raise Violation("node %d: status %s at its start" % (i, status))
    with open(run.nodes.log_path(i), errors="replace") as f:
        f.seek(before)
        if "level=error" not in f.read():
            raise Violation("node %d refused without a word" % i)
    run.nodes.wanted.discard(i)
    run.nodes.procs[i].stdout.close()
    return False


def wipe(run):
    """All partitions of a node are gone; what it promised the quorum is not."""
    run.in_sync()
    role, i = run.someone()
    run.kill(i)
    if run.rng.random() < 0.7:  # or it is back before anyone takes its place
        run.acks()
    for d in ("log", "journal"):
        shutil.rmtree(os.path.join(run.nodes.data_dir(i), d))
    run.nodes.settle_disk(i)
    run.start(i)
    run.count("wiped")
    return "wipe %s: node %d" % (role, i)


def erase(run):
    """The same, and the quorum's files too: a voter without a memory."""
    run.in_sync()
    role, i = run.someone()
    run.kill(i)
    run.acks()
    run.nodes.wipe(i)
    run.start(i)
    run.count("erased")
    return "erase %s: node %d" % (role, i)


# ---- power, clocks -----------------------------------------------------------

def powercut(run):
    rng = run.rng
    how = rng.choice(shadow.KINDS)
    nodes = rng.sample(run.ids, rng.choice((1, 1, 2, 3, 3)))
    run.kill(*nodes)
    if len(nodes) == 1:
        run.acks()
    lost = sum(run.nodes.cut_power(i, rng, how) for i in nodes)
    run.count("power cuts")
    run.count("nodes without power", len(nodes))
    run.count("unsynced bytes lost", lost)
    while rng.random() < 0.2:  # and again while they recover
        for i in nodes:
            run.nodes.launch(i)
        time.sleep(rng.uniform(0, 0.2))
        run.kill(*nodes)
        lost += sum(run.nodes.cut_power(i, rng, how) for i in nodes
                    if rng.random() < 0.7)
        run.count("power cuts")
    run.start(*nodes)
    return "power cut, %d nodes: %s %s, %d bytes lost" % (
        len(nodes), sorted(nodes), how, lost)


def pausecut(run):
    """One is left behind, another loses power, and the two must not agree on
    less than what was acknowledged without the first."""
    rng = run.rng
    a, b, c = rng.sample(run.ids, 3)
    run.nodes.freeze(a)
    time.sleep(rng.uniform(0.3, 3))
    run.kill(b)
    lost = run.nodes.cut_power(b, rng, rng.choice(shadow.KINDS))
    run.count("power cuts")
    run.nodes.freeze(c)
    run.nodes.signal(a, signal.SIGCONT)
    run.nodes.launch(b)
    time.sleep(rng.uniform(0.3, 3))
    run.nodes.signal(c, signal.SIGCONT)
    ms = run.nodes.ready(b)
    if ms is None:
        raise Violation("node %d was not ready" % b)
    return "pause and power cut: %d stale, %d cut, %d alone, %d bytes lost" % (
        a, b, c, lost)


def clock(run):
    rng = run.rng
    nodes = rng.sample(run.ids, rng.choice((1, 1, 2, 3)))
    step = rng.choice((-3600, -60, -1, 1, 60, 3600))
    for i in nodes:
        run.nodes.set_clock(i, step)
    time.sleep(rng.uniform(0.3, 2))
    if rng.random() < 0.3:
        for _ in range(10):  # strobe
            run.nodes.set_clock(nodes[0], rng.choice((0, step)))
            time.sleep(0.05)
    for i in nodes:
        run.nodes.set_clock(i, 0)
    run.count("clock steps")
    return "clock: nodes %s by %+d s" % (sorted(nodes), step)


FAULTS = {f.__name__: f for f in (kill, kill_two, killall, pause, term, partition, proxy,
                                  disk, damage, wipe, erase, powercut, pausecut, clock)}
NEEDS = {"partition": "net", "disk": "disk", "clock": "clock", "powercut": "shadow",
         "pausecut": "shadow", "proxy": "proxy"}
