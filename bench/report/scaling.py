# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT
"""Cost of one operation as the number of fibers, waiters, timers, or processors grows."""

from report.programs import Failure, say
from report.tables import NAN, by, median, middle_and_extremes

SIZES = tuple(10 ** power for power in range(1, 7))
PROCS = (1, 2, 4, 8, 16, 32, 64)
# What is run on more and more processors.
WITH_PROCS = ("spawn_batch", "yield_1000", "pingpong", "chan_cap128_4to4", "select4_cap0", "mutex_8", "rwmutex_8",
              "skynet", "blocking_short")
COLUMNS = ("benchmark", "procs", "size", "creel", "peer", "unit", "ratio", "ratio_min", "ratio_max", "creel_cpu_ns/op",
           "peer_cpu_ns/op", "creel_growth", "peer_growth")


def plan(creel, peer, arguments):
    """[[(name, procs, size), ...] of one curve, ...]"""
    shared = set(peer.names(True)) | set(peer.names())
    curves = [[(name, max(arguments.procs), size) for size in SIZES] for name in creel.names(True)]
    curves += [[(name, procs, 0) for procs in PROCS] for name in WITH_PROCS]
    curves = [curve for curve in curves if curve[0][0] in shared and arguments.only.search(curve[0][0])]
    if not curves:
        raise Failure("--only: no benchmark of --scaling matches")
    return curves


def measure(creel, peer, arguments):
    """Rows of COLUMNS and the runs they come from; growth is the CPU time per operation by that of the point before
    on the same curve."""
    rows, runs = [], []
    curves = plan(creel, peer, arguments)
    total, number = sum(map(len, curves)), 0
    for curve in curves:
        before = None
        for name, procs, size in curve:
            number += 1
            say(f"[{number}/{total}] {name} procs={procs}" + (f" size={size}" if size else ""))
            pairs = []
            for repetition in range(arguments.reps):
                order = (creel, peer) if repetition % 2 == 0 else (peer, creel)
                done = {side: side.run(name, procs, False, arguments.scale, size) for side in order}
                pairs.append((done[creel], done[peer]))
            runs += [run for pair in pairs for run in pair]
            values = [median(pair[side]["value"] for pair in pairs) for side in (0, 1)]
            cpu = [median(1e6 * pair[side]["cpu_ms"] / pair[side]["ops"] for pair in pairs) for side in (0, 1)]
            growth = [by(now, then) for now, then in zip(cpu, before)] if before else [NAN, NAN]
            rows.append(dict(zip(COLUMNS, (
                name, procs, size or "-", *values, pairs[0][0]["unit"],
                *middle_and_extremes([by(mine["value"], theirs["value"]) for mine, theirs in pairs]), *cpu, *growth))))
            before = cpu
    return rows, runs
