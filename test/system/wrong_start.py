#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is started wrongly says so in one clear sentence, and harms nobody:
wrong flags and keys, a directory in use, another node's or another cluster's
directory, two nodes with one id."""
import os
import shutil
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "lib"))
from raftmq import BUILD, Cluster, expect, free_ports


def refused(what, args, *words, timeout=15):
    r = subprocess.run([os.path.join(BUILD, "raftmqd"), *args], timeout=timeout,
                       stdin=subprocess.DEVNULL, capture_output=True, text=True,
                       cwd="/")
    text = r.stdout + r.stderr
    expect(r.returncode != 0, "%s: it started" % what)
    expect(r.returncode > 0, "%s: died of signal %d" % (what, -r.returncode))
    for w in words:
        expect(w in text, "%s: no '%s' in: %s" % (what, w, text[-400:]))
    print("%-26s %s" % (what, text.strip().splitlines()[-1][:150]))


with Cluster(1) as c, Cluster(3) as d:
    ports = free_ports(2)
    at = ["--listen", "127.0.0.1:%d" % ports[0], "--http", "none"]
    refused("unknown flag", ["--no-such-flag"], "no-such-flag")
    refused("unknown key", ["-D", "num.partition=3"], "num.partition",
            "num.partitions")
    refused("value out of range", ["-D", "num.partitions=0"], "num.partitions")
    refused("not a number", ["-D", "num.partitions=many"], "num.partitions")
    refused("address without a port", ["--listen", "127.0.0.1"], "127.0.0.1")
    refused("all addresses", ["--listen", "0.0.0.0:%d" % ports[0], "--data-dir",
                              os.path.join(c.dir, "x")], "advertise")
    conf = os.path.join(c.dir, "wrong.conf")
    with open(conf, "w") as f:
        f.write("# a comment\nnum.partitions = 3\nlog.retention.mss = 4\n")
    refused("unknown key in a file", ["-c", conf], "wrong.conf", "3",
            "log.retention.ms")
    refused("missing file", ["-c", "/no/such/file"], "/no/such/file")
    refused("directory in use", at + ["--data-dir", c.data_dir(1)], c.data_dir(1))
    refused("port in use", ["--listen", "127.0.0.1:%d" % c.kafka[1], "--http", "none",
                            "--data-dir", os.path.join(c.dir, "y")],
            str(c.kafka[1]))

    # a data directory of another node, then of another cluster
    c.stop(1)
    refused("another node's directory", at + ["--node-id", "7", "--data-dir",
                                              c.data_dir(1)], "7")
    d.stop(3)
    shutil.move(d.data_dir(3), d.data_dir(3) + ".own")
    other = Cluster(3)
    other.start_all()
    other.create("t", 1, 3)
    other.stop(3)
    shutil.copytree(other.data_dir(3), d.data_dir(3))
    other.end()
    d.spawn(3)
    time.sleep(3)
    with open(d.log_path(3)) as f:
        text = f.read()
    expect("belongs to cluster" in text, "it does not say why: %s" % text[-300:])
    print("another cluster's directory %s" % text.strip().splitlines()[-1][:150])
    d.procs[3].kill()
    out = d.procs[3].stdout.read().decode()
    d.procs[3].wait()
    expect("ready" not in out, "it serves the other cluster")
    shutil.rmtree(d.data_dir(3))
    shutil.move(d.data_dir(3) + ".own", d.data_dir(3))
    d.start(3)

    # a second node 3, elsewhere, while the first one lives
    twin = subprocess.run(
        [a.replace(d.data_dir(3), d.data_dir(3) + ".twin").replace(
            "127.0.0.1:%d" % d.kafka[3], "127.0.0.1:%d" % ports[1])
         for a in d.command(3) if a != "--http" and
         a != "127.0.0.1:%d" % d.http[3]] + ["--http", "none"],
        timeout=30, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    expect(twin.returncode > 0, "a second node 3 is not refused")
    print("two nodes with one id      %s" %
          (twin.stderr.strip().splitlines() or [""])[-1][:150])
    d.create("t", 3, 3)
    d.wait_in_sync("t", 3)
