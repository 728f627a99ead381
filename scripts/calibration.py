"""Seconds of CPU that a fixed piece of plain Python needs: the unit of all speed figures here.

A figure is the CPU of a job over the CPU of this workload, both taken in one run, so that machines can be compared.
"""

import random
import time


def workload() -> int:
    """Mixed list, dict, integer and call work, about a second on a laptop core. Returns a checksum."""
    rng = random.Random(7)
    table = [[rng.randrange(12) for _ in range(40)] for _ in range(128)]
    checksum = 0
    for _ in range(6000):
        depth = [0] * 64
        votes: dict[int, int] = {}
        for step in range(40):
            for branch in range(64):
                answer = table[branch][step]
                depth[branch] += 1
                votes[answer] = votes.get(answer, 0) + 1
        checksum += max(votes, key=votes.__getitem__) + sum(depth)
    return checksum


def calibration_seconds() -> float:
    """CPU seconds of one run of the workload."""
    start = time.process_time()
    workload()
    return time.process_time() - start
