#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A slice of test/nemesis: disks that are full, damaged or gone, clocks that jump, a
bad network.
CYCLES=n and SEED=n for more or other ones."""
import os
import subprocess
import sys

NEMESIS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nemesis")

sys.exit(subprocess.run([
    sys.executable, "-B", os.path.join(NEMESIS, "nemesis.py"),
    "--faults", "disk,damage,damage,wipe,erase,clock,proxy", "--rate", "100",
    "--cycles", os.environ.get("CYCLES", "9"),
    "--seed", os.environ.get("SEED", "1")]).returncode)
