# SPDX-License-Identifier: Apache-2.0
"""Writes what clients did as lines that check-history judges.

The form, and what each operation means, is in history.h. A History may be
shared by threads; each client (thread of control) has a process number.

    h = History("/tmp/run.history")
    send = h.send(1, "t", 0, value)
    ... on delivery: send.ok(offset), send.fail() or send.info()
    poll = h.poll(2, "assign")
    poll.read("t", 0, offset, value); poll.ok()
    h.close(); valid, verdict = judge(build_dir, "/tmp/run.history")

Values are numbers below 2^64, each sent once: h.value() gives them.
Operations that nobody ended are written as open by close().
"""
import json
import os
import subprocess
import threading
import time


def _field(x):
    return "-" if x is None or (isinstance(x, int) and x < 0) else str(x)


def _key(topic, partition):
    return "%s/%d" % (topic, partition)


class Operation:
    """From its invocation until one of ok, fail, info is called, once."""

    def __init__(self, history, kind, process):
        self.history, self.kind, self.process = history, kind, process
        self.invoked = history.now()
        self.done = False
        history._begin(self)

    def _end(self, outcome):
        assert not self.done
        self.done = True
        self.history._end(self, outcome)

    def ok(self):
        self._end("ok")

    def fail(self):
        """It certainly did not happen. In doubt: info."""
        self._end("fail")

    def info(self):
        self._end("info")


class Send(Operation):
    def __init__(self, history, process, key, value, acks, producer, sequence,
                 retried):
        self.key, self.value, self.acks = key, value, acks
        self.producer, self.sequence = producer, sequence
        self.retried, self.offset = retried, None
        super().__init__(history, "send", process)

    def ok(self, offset=None):
        self.offset = offset
        super().ok()

    def rest(self):
        acks = "all" if self.acks in (-1, "all") else str(self.acks)
        return [self.key, str(self.value), acks, _field(self.producer),
                _field(self.sequence), "1" if self.retried else "0",
                _field(self.offset)]


class Poll(Operation):
    def __init__(self, history, process, mode, committed):
        self.mode, self.committed, self.answers = mode, committed, []
        super().__init__(history, "poll", process)

    def answer(self, topic, partition, position=None, hw=None, log_start=None,
               stable=None, epoch=None):
        """What the answer told of a partition; its records follow by read.

        A final read tells position (its first offset) and hw (its end)."""
        self.answers.append((_key(topic, partition),
                             [position, hw, log_start, stable, epoch], []))

    def read(self, topic, partition, offset, value):
        key = _key(topic, partition)
        if not self.answers or self.answers[-1][0] != key:
            self.answer(topic, partition)
        self.answers[-1][2].append("%d=%d" % (offset, value))

    def rest(self):
        out = [self.mode, "committed" if self.committed else "uncommitted"]
        for key, head, records in self.answers:
            out += ["@", key] + [_field(x) for x in head] + records
        return out


class At(Operation):
    """Commit, fetch, start, delete: fields known from the beginning."""

    def __init__(self, history, kind, process, fields, offset=()):
        self.fields, self.offset = fields, offset
        super().__init__(history, kind, process)

    def rest(self):
        return self.fields + [_field(x) for x in self.offset]


class Fetch(At):
    def ok(self, offset=None):
        self.offset = (offset,)
        super().ok()


class History:
    def __init__(self, path, first_value=0):
        self.file = open(path, "w")
        self.lock = threading.Lock()
        self.open = set()
        self.next_value = first_value

    @staticmethod
    def now():
        """Microseconds, of one clock for all processes of a machine."""
        return time.monotonic_ns() // 1000

    def value(self):
        with self.lock:
            self.next_value += 1
            return self.next_value - 1

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        with self.lock:
            for op in sorted(self.open, key=lambda op: op.invoked):
                self._write(op.kind, op.process, op.invoked, "-", "open",
                            op.rest())
            self.open.clear()
            self.file.close()

    # ---- operations

    def key(self, topic, partition, *properties):
        """Properties: memory, retention, compacted, offline."""
        with self.lock:
            self.file.write(" ".join(("key", _key(topic, partition)) +
                                     properties) + "\n")

    def send(self, process, topic, partition, value, acks="all", producer=None,
             sequence=None, retried=False):
        """retried: the client may try more than once by itself. Give an
        idempotent producer a number and its sends to a partition rising
        sequences."""
        return Send(self, process, _key(topic, partition), value, acks,
                    producer, sequence, retried)

    def poll(self, process, mode="assign", committed=False):
        return Poll(self, process, mode, committed)

    def seek(self, process, topic, partition, offset=None):
        self._moment("seek", process,
                     [_key(topic, partition), _field(offset)])

    def crash(self, process):
        self._moment("crash", process, [])

    def commit(self, process, group, topic, partition, offset,
               generation=None):
        return At(self, "commit", process,
                  [group, _field(generation), _key(topic, partition)],
                  (offset,))

    def fetch(self, process, group, topic, partition):
        return Fetch(self, "fetch", process, [group, _key(topic, partition)],
                     (None,))

    def own(self, process, group, topic, partition, generation=None):
        self._moment("own", process, [group, _field(generation),
                                      _key(topic, partition)])

    def start(self, process, topic, partition, offset):
        return At(self, "start", process, [_key(topic, partition)], (offset,))

    def delete(self, process, topic):
        return At(self, "delete", process, [topic])

    def cut(self):
        self._moment("cut", None, [])

    def fault(self, label):
        self._moment("fault", None, [label])

    # ---- lines

    def _begin(self, op):
        with self.lock:
            self.open.add(op)

    def _end(self, op, outcome):
        with self.lock:
            self.open.remove(op)
            self._write(op.kind, op.process, op.invoked, self.now(), outcome,
                        op.rest())

    def _moment(self, kind, process, rest):
        with self.lock:
            now = self.now()
            self._write(kind, process, now, now, "ok", rest)

    def _write(self, kind, process, invoked, completed, outcome, rest):
        self.file.write(" ".join([kind, _field(process), str(invoked),
                                  str(completed), outcome] + rest) + "\n")


def judge(build, *paths, lines=16):
    """Whether all files, taken as one history, are valid; the verdict."""
    cmd = [os.path.join(build, "check-history"), "--json", "--merge",
           "--lines", str(lines)] + list(paths)
    p = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if p.returncode not in (0, 1):
        raise RuntimeError(p.stderr.decode() or "check-history failed")
    return p.returncode == 0, json.loads(p.stdout.decode())
