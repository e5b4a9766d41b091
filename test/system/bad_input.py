#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind costs only its sender: random bytes, giant and
negative sizes, every API at every version with truncated and mutated bodies,
half-open and slow connections. The node serves on, and its memory and files
are back where they were. ROUNDS multiplies the mutations."""
import glob
import os
import random
import socket
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import (TOP, Cluster, Producer, expect, read_all)

MUTATIONS = int(os.environ.get("MUTATIONS", "20000"))
rnd = random.Random(int(os.environ.get("SEED", "1")))


def connect(c):
    s = socket.create_connection(("127.0.0.1", c.kafka[1]), 5)
    s.settimeout(5)
    return s


def serves(c, n=[0]):
    n[0] += 1
    p = Producer({"bootstrap.servers": c.bootstrap, "log_level": 0, "acks": "all"})
    p.produce("good", b"%d" % n[0])
    expect(p.flush(20) == 0, "the node serves no more")
    return n[0]


def random_bytes(c):
    for _ in range(300):
        s = connect(c)
        try:
            s.sendall(rnd.randbytes(rnd.randint(1, 4000)))
            s.shutdown(socket.SHUT_WR)
            s.recv(1)
        except OSError:
            pass
        s.close()


def sizes(c):
    for size in (-1, -2**31, 0, 1, 3, 2**31 - 1, 200 << 20):
        s = connect(c)
        try:
            s.sendall(struct.pack(">i", size) + b"x" * 64)
            if size in (-1, -2**31, 2**31 - 1):
                expect(s.recv(100) == b"", "a size of %d was answered" % size)
        except OSError:
            pass
        s.close()


def names(c):
    """A NUL in a group's name: refused, and no trace of it in the list."""
    def text(b):
        return struct.pack(">h", len(b)) + b

    def ask(key, version, body):
        frame = struct.pack(">hhi", key, version, 7) + text(b"test") + body
        s = connect(c)
        s.sendall(struct.pack(">i", len(frame)) + frame)
        size = s.recv(4, socket.MSG_WAITALL)
        answer = size and s.recv(struct.unpack(">i", size)[0],
                                 socket.MSG_WAITALL)
        s.close()
        return answer

    answer = ask(11, 1, text(b"g\0h") + struct.pack(">ii", 10000, 10000) +
                 text(b"stranger") + text(b"consumer") +
                 struct.pack(">i", 1) + text(b"range") + struct.pack(">i", 0))
    expect(answer == b"", "JoinGroup was answered: %r" % answer)
    answer = ask(16, 0, b"")
    expect(answer == struct.pack(">ihi", 7, 0, 0), "ListGroups: %r" % answer)


def bodies():
    """Real requests of real clients, by API and version."""
    found = glob.glob(os.path.join(TOP, "test/golden/frames/*-request.bin"))
    frames = []
    for f in sorted(found):
        with open(f, "rb") as h:
            frames.append(h.read())
    return frames


def framed(data):
    """The golden files hold a frame with or without its size."""
    if len(data) >= 4 and struct.unpack(">i", data[:4])[0] == len(data) - 4:
        data = data[4:]
    return data


def mutate(data):
    data = bytearray(data)
    how = rnd.randrange(5)
    if how == 0:
        data = data[:rnd.randint(8, len(data))]
    for _ in range(rnd.randint(1, 8) if how else 0):
        i = rnd.randrange(min(8, len(data) - 1), len(data))
        data[i] = rnd.choice((0, 0xff, 0x7f, 0x80, rnd.randrange(256)))
    if how == 4:
        data += rnd.randbytes(rnd.randint(1, 30))
    return bytes(data)


def mutations(c):
    frames = [framed(f) for f in bodies()]
    for key in list(range(93)) + [200, 32767, -1]:
        for version in list(range(-1, 20)) + [32767]:
            frames.append(struct.pack(">hhih", key, version, 1, 4) + b"test" +
                          b"\0" * 8)
    s = None
    for i in range(MUTATIONS):
        f = mutate(frames[i % len(frames)])
        # acks=0 and the like give no answer: never wait for one
        try:
            if s is None:
                s = connect(c)
                s.setblocking(False)
            s.sendall(struct.pack(">i", len(f)) + f)
            try:
                if s.recv(1 << 16) == b"":
                    raise OSError
            except BlockingIOError:
                pass
            if i % 50 == 0:
                s.close()
                s = None
        except OSError:
            if s:
                s.close()
            s = None
        if i % 5000 == 0:
            expect(c.alive(1), "the node died at mutation %d" % i)
    if s:
        s.close()


def slow(c):
    half = [connect(c) for _ in range(200)]
    for s in half:
        s.sendall(b"\0\0")
    serves(c)
    for s in half:
        s.close()


with Cluster(1) as c:
    serves(c)
    time.sleep(1)
    rss, fds = c.rss_kb(1), c.fds(1)
    n = 0
    for part in (names, random_bytes, sizes, slow, mutations):
        begin = time.time()
        part(c)
        expect(c.alive(1), "the node died of " + part.__name__)
        n = serves(c)
        print("%-14s %.1f s" % (part.__name__, time.time() - begin), flush=True)
    end = time.time() + 30
    while c.fds(1) > fds + 8 and time.time() < end:
        time.sleep(0.2)
    print("resident %d -> %d KiB, files %d -> %d" % (rss, c.rss_kb(1), fds, c.fds(1)))
    expect(c.rss_kb(1) < rss + 64 * 1024, "memory grew to %d KiB" % c.rss_kb(1))
    got = [v for _, v in read_all(c, "good", 1)[0]]
    expect(got == [b"%d" % i for i in range(1, n + 1)], "records are missing")
    with open(c.log_path(1), errors="replace") as f:
        text = f.read()
    expect("assert" not in text.lower(), "an assertion failed")
