# SPDX-License-Identifier: Apache-2.0
"""A network of its own for a cluster: a name space for each node, a bridge
between them and the clients, and rules that drop what passes.

    net = Net(3)            # in a process that enter() has moved
    net.cut(1, 2)           # nothing from 1 to 2 any more; 0 is the clients
    net.heal()

Everything is made in a network and a mount name space of this process alone,
so that nothing is left over whatever becomes of it.
"""
import os
import subprocess
import sys

MARK = "NEMESIS_INSIDE"
CLIENTS = 0


def run(*command, text=None):
    r = subprocess.run(command, input=text, capture_output=True, text=True)
    if r.returncode:
        raise OSError("%s: %s" % (" ".join(command), r.stderr.strip()))
    return r.stdout


def lacking():
    """What this machine lacks for it, or None."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    try:
        run("unshare", *user, "--net", "--mount", "sh", "-c",
            "mount -t tmpfs none /run && ip link add hub1 type bridge && "
            "ip netns add n && ip netns exec n nft add table inet t && "
            "ip netns exec n nft add chain inet t c "
            "'{ type filter hook input priority 0; }' && "
            "ip link add veth1 type veth peer name veth2 netns n")
    except OSError as e:
        return "no network name spaces here (%s)" % str(e).strip()[-120:]
    return None


def inside():
    return MARK in os.environ


def enter():
    """The same program again, in name spaces of its own. Does not return."""
    os.environ[MARK] = "1"
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    os.execvp("unshare", ["unshare", *user, "--net", "--mount", "--", sys.executable,
                          "-B"] + sys.argv)


class Net:
    def __init__(self, n):
        self.n = n
        run("mount", "-t", "tmpfs", "none", "/run")
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "hub", "type", "bridge")
        run("ip", "address", "add", self.address(CLIENTS) + "/24", "dev", "hub")
        run("ip", "link", "set", "hub", "up")
        for i in range(1, n + 1):
            self.add(i)
        self.cuts = set()

    @staticmethod
    def address(i):
        return "10.77.0.%d" % (i or 254)

    def add(self, i):
        ns = "n%d" % i
        run("ip", "netns", "add", ns)
        run("ip", "link", "add", "v%d" % i, "type", "veth", "peer", "name", "eth0",
            "netns", ns)
        run("ip", "link", "set", "v%d" % i, "master", "hub", "up")
        run("ip", "-n", ns, "link", "set", "lo", "up")
        run("ip", "-n", ns, "link", "set", "eth0", "up")
        run("ip", "-n", ns, "address", "add", self.address(i) + "/24", "dev", "eth0")
        self.rules(i, "add table inet cut\n"
                   "add chain inet cut in { type filter hook input priority 0; }\n"
                   "add chain inet cut out { type filter hook output priority 0; }\n")

    def rules(self, i, text):
        run("ip", "netns", "exec", "n%d" % i, "nft", "-f", "-", text=text)

    def prefix(self, i):
        return ["ip", "netns", "exec", "n%d" % i]

    def apply(self):
        for i in range(1, self.n + 1):
            text = "flush chain inet cut in\nflush chain inet cut out\n"
            for a, b in self.cuts:
                if b == i:
                    text += "add rule inet cut in ip saddr %s drop\n" % self.address(a)
                elif a == i and b == CLIENTS:
                    text += "add rule inet cut out ip daddr %s drop\n" % self.address(b)
            self.rules(i, text)

    def cut(self, *links):
        """Each link (from, to): what goes that way is lost."""
        self.cuts |= set(links)
        self.apply()

    def heal(self):
        self.cuts.clear()
        self.apply()

    def isolate(self, i, clients=True):
        others = [j for j in range(0 if clients else 1, self.n + 1) if j != i]
        self.cut(*[(i, j) for j in others], *[(j, i) for j in others])
