#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A slice of test/nemesis: nodes are killed, stopped and cut off by chance,
while topics come and go. CYCLES=n and SEED=n for more or other ones."""
import os
import subprocess
import sys

NEMESIS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "nemesis")

sys.exit(subprocess.run([
    sys.executable, "-B", os.path.join(NEMESIS, "nemesis.py"),
    "--faults", "kill,kill_two,killall,killall,pause,term,partition,partition,churn",
    "--pause-max", "4", "--cycles", os.environ.get("CYCLES", "11"),
    "--seed", os.environ.get("SEED", "1")]).returncode)
