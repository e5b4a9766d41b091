# SPDX-License-Identifier: Apache-2.0
"""What a power cut leaves of a data directory: test/lib/disk_shadow.c says how
the second directory is laid out. The process has been killed before.

    cut(live, shadow, rng, how)

strict: exactly what was synced. pages: of what was written since, any pages
may have reached the disk too, and the file's length with them. names: so may
the names of any directory.
"""
import os
import shutil

PAGE = 4096
TOP = "1"
KINDS = ("strict", "pages", "names")


class Shadow:
    def __init__(self, live, shadow):
        self.live, self.shadow = live, shadow
        of = os.path.join(shadow, "of")
        self.ids = {int(ino): os.readlink(os.path.join(of, ino))
                    for ino in os.listdir(of)}
        self.lost = 0  # bytes that were written and are not there

    def path(self, *parts):
        return os.path.join(self.shadow, *parts)

    def names(self, ident):
        try:
            with open(self.path("dirs", ident)) as f:
                return [line.rstrip("\n").split(" ", 2) for line in f]
        except FileNotFoundError:  # made, never synced
            return []

    def live_names(self, path):
        """As names(), of what the process saw."""
        out = []
        for e in os.scandir(path):
            ident = self.ids.get(e.inode())
            if ident:
                out.append(["d" if e.is_dir() else "f", ident, e.name])
        return out

    def paths(self):
        """Of all that is live: id -> path."""
        out = {TOP: self.live}
        for where, dirs, files in os.walk(self.live):
            for name in dirs + files:
                p = os.path.join(where, name)
                ident = self.ids.get(os.lstat(p).st_ino)
                if ident:
                    out[ident] = p
        return out

    def build(self, ident, to, choose):
        os.mkdir(to, 0o750)
        for kind, child, name in choose(ident):
            p = os.path.join(to, name)
            if kind == "d":
                self.build(child, p, choose)
            else:
                shutil.copyfile(self.path("data", child), p)


def spread_pages(durable, live, rng):
    """Any of the pages that differ come along."""
    with open(durable, "r+b") as d, open(live, "rb") as w:
        old, new = d.read(), w.read()
        if old == new:
            return
        size = len(new) if len(new) != len(old) and rng.random() < 0.7 else len(old)
        chance = rng.choice((0.1, 0.5, 0.9))
        for at in range(0, max(len(new), len(old)), PAGE):
            a, b = old[at:at + PAGE], new[at:at + PAGE]
            if a != b and b and rng.random() < chance:
                d.seek(at)
                d.write(b)
        d.truncate(size)


def cut(live, shadow, rng, how="strict"):
    """The directory is now what the disk had. Returns the bytes lost."""
    s = Shadow(live, shadow)
    paths = s.paths()
    mixed = {i for i in paths if how == "names" and rng.random() < 0.5}

    def choose(ident):
        if ident in mixed and ident in paths:
            return s.live_names(paths[ident])
        return s.names(ident)
    lost = 0
    for ident, p in sorted(paths.items()):
        d = s.path("data", ident)
        if os.path.isfile(p) and os.path.exists(d):
            if how != "strict":
                spread_pages(d, p, rng)
            lost += differing(d, p)
    new = live + ".new"
    shutil.rmtree(new, ignore_errors=True)
    s.build(TOP, new, choose)
    shutil.copyfile(s.path("meta"), os.path.join(new, "meta"))
    shutil.rmtree(live)
    shutil.rmtree(shadow)
    os.rename(new, live)
    return lost


def differing(durable, live):
    with open(durable, "rb") as d, open(live, "rb") as w:
        old, new = d.read(), w.read()
    if old == new:
        return 0
    return sum(len(new[i:i + PAGE]) for i in range(0, len(new), PAGE)
               if old[i:i + PAGE] != new[i:i + PAGE])
