# SPDX-License-Identifier: Apache-2.0
"""Damage to the files of a node that is down: a flipped bit, a cut, two files
of a kind exchanged, a file gone."""
import os

KINDS = ("segment", "journal", "checkpoint", "entries", "slot", "snapshot", "meta",
         "metadata", "note")


def kind_of(path):
    """Of a path below the data directory, or None."""
    parts = path.split(os.sep)
    name = parts[-1]
    if path == "meta":
        return "meta"
    if parts[0] == "journal":
        return "checkpoint" if ".checkpoint" in name else "journal"
    if parts[0] == "log" and len(parts) == 3:
        if name.endswith(".log"):
            return "segment"
        return "metadata" if name == "partition.metadata" else "note"
    if parts[0] == "quorum":
        if "snapshot" in name:
            return "snapshot"
        if name.startswith(("entries", "open", "log")) or name[0].isdigit():
            return "entries"
        return "slot"
    return None


def files(top):
    """kind -> paths, of what has a length."""
    out = {}
    for where, _, names in sorted(os.walk(top)):
        for name in sorted(names):
            p = os.path.join(where, name)
            k = kind_of(os.path.relpath(p, top))
            if k and os.path.getsize(p):
                out.setdefault(k, []).append(p)
    return out


def used(data):
    """Where the file's content ends: zeroes behind it are room."""
    return len(data.rstrip(b"\0"))


def flip(path, rng, _):
    with open(path, "r+b") as f:
        data = f.read()
        at = rng.randrange(max(1, used(data)))
        f.seek(at)
        f.write(bytes([data[at] ^ (1 << rng.randrange(8))]))
    return "bit at %d of %d flipped" % (at, used(data))


def cut(path, rng, _):
    with open(path, "r+b") as f:
        n = rng.randrange(max(1, used(f.read())))
        f.truncate(n)
    return "cut to %d" % n


def swap(path, rng, same):
    others = [p for p in same if p != path]
    if not others:
        return flip(path, rng, same)
    other = rng.choice(others)
    os.rename(path, path + ".x")
    os.rename(other, path)
    os.rename(path + ".x", other)
    return "exchanged with %s" % os.sep.join(other.split(os.sep)[-2:])


def remove(path, _, __):
    os.unlink(path)
    return "gone"


WAYS = (flip, flip, cut, swap, remove)


def damage(top, rng, kind=None):
    """Does one of them; what it did, as text."""
    all_files = files(top)
    kind = kind if kind in all_files else rng.choice(sorted(all_files))
    path = rng.choice(all_files[kind])
    what = rng.choice(WAYS)(path, rng, all_files[kind])
    return kind, "%s: %s" % (os.path.relpath(path, top), what)
