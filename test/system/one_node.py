#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The first minute: one node without any argument but its ports, 100,000
records by kcat with acks=all, SIGKILL, and all of them are there."""
import os
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import SANITIZED, Cluster, expect, skip

if not shutil.which("kcat"):
    skip("no kcat here")

N = 100000


def kcat(c, *args, **kw):
    return subprocess.run(["kcat", "-b", c.bootstrap, "-q", *args], check=True,
                          timeout=60, **kw)


with Cluster(1) as c:
    print("ready in %d ms, %d KiB resident" % (c.ready_ms[1], c.rss_kb(1)))
    if not SANITIZED:
        expect(c.ready_ms[1] < 100, "ready after %d ms" % c.ready_ms[1])
        expect(c.rss_kb(1) < 16 * 1024, "%d KiB resident" % c.rss_kb(1))
    lines = b"".join(b"record %d\n" % i for i in range(N))
    kcat(c, "-P", "-t", "t", "-X", "acks=all", input=lines)
    c.kill(1)
    c.start(1)
    out = kcat(c, "-C", "-t", "t", "-e", "-o", "beginning", capture_output=True).stdout
    expect(out == lines, "%d of %d bytes came back" % (len(out), len(lines)))
    expect(c.stop(1) == 0, "a clean stop does not exit with 0")
    c.start(1)
    out = kcat(c, "-C", "-t", "t", "-e", "-o", "beginning", capture_output=True).stdout
    expect(out == lines, "after a clean stop: %d bytes" % len(out))
