# SPDX-License-Identifier: Apache-2.0
"""A bad network in user space: TCP connections are passed on, late, in pieces,
or not at all.

    proxy.py HOST '[[NODE, "kafka" or "peer", HOST, PORT], ...]'

Prints a port for each link, then takes lines from its input:

    calm                        as it comes
    delay MS JITTER             each piece that much later, still in order
    pieces N                    writes of at most N bytes, some of them
    stall CHANCE                a connection stops passing, either way, for good
    reset CHANCE                a connection is reset now, and each new one may be
    half                        one side of some is closed as if it had died
    node N ...                  the same for what leads to node N alone
    seed N
"""
import ast
import heapq
import os
import random
import selectors
import socket
import struct
import sys
import time

BUFFER = 1 << 20


class Mode:
    def __init__(self):
        self.delay = self.jitter = 0.0
        self.pieces = 0
        self.reset = 0.0


class Side:
    """One direction of a connection."""

    def __init__(self, conn, src, dst):
        self.conn, self.src, self.dst = conn, src, dst
        self.queue, self.held, self.last = [], 0, 0.0
        self.out = b""
        self.eof = self.stalled = False


class Conn:
    def __init__(self, node, a, b):
        self.node, self.a, self.b = node, a, b
        self.sides = (Side(self, a, b), Side(self, b, a))
        self.dead = False


class Proxy:
    def __init__(self, host, links):
        self.rng = random.Random(0)
        self.sel = selectors.DefaultSelector()
        self.modes = {link[0]: Mode() for link in links}
        self.conns, self.due, self.n = set(), [], 0
        self.sel.register(sys.stdin, selectors.EVENT_READ, ("command",))
        for node, _, to, port in links:
            s = socket.socket()
            s.bind((host, 0))
            s.listen(512)
            s.setblocking(False)
            self.sel.register(s, selectors.EVENT_READ, ("accept", node, (to, port)))
            print(s.getsockname()[1], flush=True)

    def accept(self, s, node, to):
        a, _ = s.accept()
        mode = self.modes[node]
        b = socket.socket()
        try:
            if self.rng.random() < mode.reset:
                raise OSError
            b.settimeout(0.05)  # all is on this machine, and all else waits
            b.connect(to)
        except OSError:
            linger(a)
            a.close()
            b.close()
            return
        for x in (a, b):
            x.setblocking(False)
            x.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        c = Conn(node, a, b)
        self.conns.add(c)
        self.watch(c)

    def watch(self, c):
        if c.dead:
            return
        for side, other in (c.sides, c.sides[::-1]):
            events = 0
            if not side.eof and side.held < BUFFER and not side.stalled:
                events |= selectors.EVENT_READ
            if other.out:
                events |= selectors.EVENT_WRITE
            try:
                key = self.sel.get_key(side.src)
            except KeyError:
                key = None
            if key and not events:
                self.sel.unregister(side.src)
            elif key and key.events != events:
                self.sel.modify(side.src, events, ("data", c, side, other))
            elif not key and events:
                self.sel.register(side.src, events, ("data", c, side, other))

    def close(self, c, reset=False):
        if c.dead:
            return
        c.dead = True
        self.conns.discard(c)
        for s in (c.a, c.b):
            try:
                self.sel.unregister(s)
            except KeyError:
                pass
            if reset:
                linger(s)
            s.close()

    def read(self, c, side):
        try:
            data = side.src.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            self.close(c, reset=True)
            return
        if not data:
            side.eof = True
        m, now = self.modes[c.node], time.monotonic()
        at = now + m.delay + self.rng.random() * m.jitter
        side.last = max(side.last, at)
        for piece in self.split(m, data):
            side.held += len(piece)
            side.queue.append((side.last, piece))
        if side.last > now:
            self.n += 1
            heapq.heappush(self.due, (side.last, self.n, side))
        self.pass_on(side)

    def split(self, m, data):
        if not data or not m.pieces or self.rng.random() < 0.5:
            return [data]
        out = []
        while data:
            n = self.rng.randint(1, m.pieces)
            out.append(data[:n])
            data = data[n:]
        return out

    def pass_on(self, side):
        now, c = time.monotonic(), side.conn
        while not c.dead and side.queue and side.queue[0][0] <= now:
            piece = side.queue.pop(0)[1]
            if piece == b"":
                side.out += b""
                if not side.out:
                    self.shut(side)
                continue
            side.out += piece
            self.write(side)
        self.watch(c)

    def shut(self, side):
        try:
            side.dst.shutdown(socket.SHUT_WR)
        except OSError:
            pass
        if all(s.eof and not s.queue for s in side.conn.sides):
            self.close(side.conn)

    def write(self, side):
        if side.stalled or not side.out or side.conn.dead:
            return
        try:
            n = side.dst.send(side.out)
        except BlockingIOError:
            return
        except OSError:
            self.close(side.conn, reset=True)
            return
        side.out = side.out[n:]
        side.held -= n
        if not side.out and side.eof and not side.queue:
            self.shut(side)

    def command(self, words):
        nodes = list(self.modes)
        if words[0] == "node":
            nodes, words = [int(words[1])], words[2:]
        conns = [c for c in self.conns if c.node in nodes]
        conns.sort(key=lambda c: c.a.fileno())
        chance = float(words[1]) if len(words) > 1 else 0.5
        if words[0] == "seed":
            self.rng.seed(int(words[1]))
        elif words[0] == "calm":
            for i in nodes:
                self.modes[i] = Mode()
            for c in conns:
                if any(s.stalled for s in c.sides):
                    self.close(c, reset=True)
        for i in nodes:
            if words[0] == "delay":
                self.modes[i].delay = float(words[1]) / 1000
                self.modes[i].jitter = float(words[2]) / 1000
            elif words[0] == "pieces":
                self.modes[i].pieces = int(words[1])
            elif words[0] == "reset":
                self.modes[i].reset = chance
        for c in conns:
            if words[0] in ("stall", "reset", "half") and self.rng.random() < chance:
                self.hurt(c, words[0])

    def hurt(self, c, how):
        if how == "stall":
            for s in self.rng.choice((c.sides[:1], c.sides[1:], c.sides)):
                s.stalled = True
            self.watch(c)
        elif how == "reset":
            self.close(c, reset=True)
        else:  # one end hears that the other has gone, which has not
            s = self.rng.choice(c.sides)
            s.stalled = True
            self.shut(s)
            self.watch(c)

    def loop(self):
        while True:
            wait = max(0, self.due[0][0] - time.monotonic()) if self.due else None
            for key, events in self.sel.select(wait):
                what = key.data
                if what[0] == "accept":
                    self.accept(key.fileobj, what[1], what[2])
                elif what[0] == "command":
                    lines = os.read(0, 65536).decode()
                    if not lines:
                        return
                    for line in lines.splitlines():
                        self.command(line.split())
                elif not what[1].dead:
                    if events & selectors.EVENT_WRITE:
                        self.write(what[3])
                    if events & selectors.EVENT_READ and not what[1].dead:
                        self.read(what[1], what[2])
                    self.watch(what[1])
            while self.due and self.due[0][0] <= time.monotonic():
                self.pass_on(heapq.heappop(self.due)[2])


def linger(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


if __name__ == "__main__":
    Proxy(sys.argv[1], ast.literal_eval(sys.argv[2])).loop()
