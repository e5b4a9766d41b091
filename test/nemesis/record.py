# SPDX-License-Identifier: Apache-2.0
"""What the clients of a round noted, as the lines that check-history judges
(test/lib/history.h has the form)."""
import os

from clients import EACH, PART, value_of
from raftmq import BUILD

import history

FINAL = 99  # the process that read everything at the end


def field(x):
    return "-" if x is None or x < 0 else str(x)


def send_line(t, op):
    p, value, begin, end, outcome, offset = op
    number, sequence = (value // EACH, value % PART) if t.idempotent else (-1, -1)
    # without an end it is open: it may have happened
    return "send %d %d %s %s %s/%d %d all %s %s 0 %s\n" % (
        t.number % 10, begin, "-" if end is None else end,
        "open" if end is None else outcome, t.topic, p, value, field(number),
        field(sequence), field(offset))


def poll_line(process, topic, mode, poll):
    begin, end, got = poll
    words, last = [], None
    for p, offset, value in got:
        if p != last:
            words += ["@", "%s/%d" % (topic, p), "-", "-", "-", "-", "-"]
            last = p
        words.append("%d=%d" % (offset, value))
    return "poll %d %d %d ok %s uncommitted %s\n" % (process, begin, end, mode,
                                                     " ".join(words))


def final_line(topic, p, records, now):
    end = records[-1][0] + 1 if records else 0
    return "poll %d %d %d ok final uncommitted @ %s/%d 0 %d - - - %s\n" % (
        FINAL, now, now, topic, p, end,
        " ".join("%d=%d" % (o, value_of(v)) for o, v in records))


def write(path, clients, found, faults, now):
    topic = clients.topic
    with open(path, "w") as f:
        for at, label in faults:
            f.write("fault - %d %d ok %s\n" % (at, at, label))
        for t in clients.senders:
            for op in t.ops:
                f.write(send_line(t, op))
        for t in clients.readers:
            mode = "subscribe" if t.group else "assign"
            for poll in t.polls:
                f.write(poll_line(10 + t.number, topic, mode, poll))
        for p, records in found.items():
            f.write(final_line(topic, p, records, now))


def judge(path):
    """None without check-history; else what it finds, as lines."""
    if not os.access(os.path.join(BUILD, "check-history"), os.X_OK):
        return None
    valid, verdict = history.judge(BUILD, path)
    return [] if valid else [str(verdict)[:2000]]
