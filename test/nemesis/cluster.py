# SPDX-License-Identifier: Apache-2.0
"""Three nodes that can be hurt: raftmq.py's Cluster with a network, disks and
clocks of its own. It says what became of a node instead of failing."""
import os
import select
import shutil
import signal
import subprocess
import sys
import time

from raftmq import BUILD, Cluster

import net
import shadow

READY_S = 30


class Violation(Exception):
    pass


class Nodes(Cluster):
    """parts: which of net, proxy, disk, clock, shadow it is made with."""

    def __init__(self, parts, settings=(), disk_mib=192):
        super().__init__(3, settings)
        self.parts, self.disk_mib = parts, disk_mib
        self.net = net.Net(3) if "net" in parts else None
        self.wanted = set()  # nodes that should be running
        self.mounted, self.proxy = [], None
        self.real = {i: dict(kafka=self.kafka[i], peer=self.peer[i], host=self.host[i])
                     for i in self.kafka}
        if self.net:
            for i in self.kafka:
                self.host[i] = net.Net.address(i)
                self.kafka[i], self.http[i], self.peer[i] = 9092, 9644, 9192
        if "shadow" in parts:
            self.program = "raftmqd-shadow"
        if "disk" in parts:
            self.mount()
        if "proxy" in parts:
            self.start_proxy()

    def mount(self):
        for i in self.kafka:
            d = os.path.join(self.dir, "disk%d" % i)
            os.mkdir(d)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm" % self.disk_mib,
                            "none", d], check=True)
            self.mounted.append(d)

    def data_dir(self, i):
        if self.mounted:
            return os.path.join(self.dir, "disk%d" % i, "data")
        return super().data_dir(i)

    def shadow_dir(self, i):
        return self.data_dir(i) + ".durable"

    # ---- the proxy stands where clients and peers think that a node is

    def start_proxy(self):
        self.behind = {i: (self.host[i], self.kafka[i], self.peer[i]) for i in self.kafka}
        here = net.Net.address(0) if self.net else "127.0.0.1"
        links = []
        for i, (host, kafka, peer) in self.behind.items():
            links += [[i, "kafka", host, kafka], [i, "peer", host, peer]]
        self.proxy = subprocess.Popen(
            [sys.executable, "-B", os.path.join(os.path.dirname(__file__), "proxy.py"),
             here, repr(links)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i, what, host, port in links:
            ours = int(self.proxy.stdout.readline())
            self.host[i] = here
            (self.kafka if what == "kafka" else self.peer)[i] = ours

    def tell_proxy(self, text):
        self.proxy.stdin.write(text + "\n")
        self.proxy.stdin.flush()

    def command(self, i):
        cmd = super().command(i)
        if self.proxy:
            host, kafka, peer = self.behind[i]
            cmd[cmd.index("--listen") + 1] = "%s:%d" % (host, kafka)
            cmd[cmd.index("--http") + 1] = "%s:%d" % (host, self.http[i])
            cmd += ["--advertise", "%s:%d" % (self.host[i], self.kafka[i]),
                    "-D", "peer.listen=%s:%d" % (host, peer)]
        return (self.net.prefix(i) if self.net else []) + cmd

    # ---- clocks

    def clock_file(self, i):
        return os.path.join(self.dir, "clock%d" % i)

    def set_clock(self, i, seconds):
        with open(self.clock_file(i) + ".new", "w") as f:
            f.write("%+d\n" % seconds)
        os.rename(self.clock_file(i) + ".new", self.clock_file(i))

    def environment(self, i):
        env = super().environment(i)
        if "shadow" in self.parts:
            env["SHADOW_DIR"] = self.shadow_dir(i)
        if "clock" in self.parts:
            if not os.path.exists(self.clock_file(i)):
                self.set_clock(i, 0)
            env.update(LD_PRELOAD=faketime_library(), FAKETIME_NO_CACHE="1",
                       FAKETIME_DONT_FAKE_MONOTONIC="1", DONT_FAKE_MONOTONIC="1",
                       FAKETIME_TIMESTAMP_FILE=self.clock_file(i))
        return env

    # ---- life and death

    def launch(self, i):
        self.spawn(i)
        self.wanted.add(i)

    def ready(self, i, timeout=READY_S):
        """Its ready line: how many ms it took. None: it ended, or will not."""
        out, data = self.procs[i].stdout, b""
        end = time.monotonic() + timeout
        while not data.endswith(b"\n"):
            left = end - time.monotonic()
            if left <= 0 or not select.select([out], [], [], left)[0]:
                return None
            more = os.read(out.fileno(), 4096)
            if not more:
                return None
            data += more
        return int(data.split(b" in ")[1].split()[0])

    def status(self, i, timeout=2):
        """Of one whose ready line did not come: None if it still runs."""
        try:
            return self.procs[i].wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def kill(self, i):
        self.wanted.discard(i)
        self.procs[i].send_signal(signal.SIGKILL)
        self.procs[i].wait()
        self.procs[i].stdout.close()

    def status_of_dead(self):
        return {i: self.procs[i].returncode for i in self.wanted
                if self.procs[i].poll() is not None}

    def cut_power(self, i, rng, how):
        """After a kill: the directory is what the disk had. Bytes lost."""
        live, durable = self.data_dir(i), self.shadow_dir(i)
        parent, name = os.path.split(durable)
        for n in os.listdir(parent):  # a start that did not come so far
            if n.startswith(name + "."):
                shutil.rmtree(os.path.join(parent, n))
        if not os.path.exists(durable):
            return 0
        return shadow.cut(live, durable, rng, how)

    def settle_disk(self, i):
        """What lies in the directory now is what is on the disk."""
        shutil.rmtree(self.shadow_dir(i), ignore_errors=True)

    def wipe(self, i):
        for d in (self.data_dir(i), self.shadow_dir(i)):
            shutil.rmtree(d, ignore_errors=True)

    def end(self):
        keep, self.own_dir = self.own_dir, False
        super().end()
        if self.proxy:
            self.proxy.kill()
            self.proxy.wait()
        for d in self.mounted:
            if not keep:  # what lies there goes with the mount
                shutil.copytree(d, d + ".kept", dirs_exist_ok=True)
            subprocess.run(["umount", "-l", d])
        self.mounted = []
        if keep:
            shutil.rmtree(self.dir, ignore_errors=True)


def faketime_library():
    from glob import glob
    found = glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    return found[0] if found else None


def built(program):
    return os.access(os.path.join(BUILD, program), os.X_OK)
