# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT
"""From runs to rows: ratios of creel to a peer, and what tracing adds to each. Runs come as
{(benchmark, procs, traced): [(creel's run, the peer's run of the same repetition)]}."""

import csv
import statistics
import sys

from report.programs import Failure

COLUMNS = ("benchmark", "procs", "trace", "creel", "peer", "unit", "ratio", "ratio_min", "ratio_max",
           "creel_cpu_ms", "peer_cpu_ms", "creel_rss_mib", "peer_rss_mib")
TRACE_COLUMNS = ("benchmark", "procs", "creel_on_off", "peer_on_off", "creel_ns/op", "peer_ns/op", "op_ratio",
                 "creel_events/op", "peer_events/op", "creel_ns/event", "peer_ns/event", "ratio", "ratio_min",
                 "ratio_max", "creel_bytes/event", "peer_bytes/event", "bytes_ratio")
METRIC_UNITS = {"ms": "ms", "us": "us", "ns": "ns", "percent": "%"}
NAN = float("nan")


def metric_rows(run):
    """The run itself and one row for each of its further metrics."""
    yield run["bench"], run["unit"], run["value"]
    for name, value in run["metrics"].items():
        yield f"{run['bench']}.{name}", METRIC_UNITS.get(name.rsplit("_", 1)[-1], name), value


def by(numerator, denominator):
    return numerator / denominator if denominator > 0 else NAN


def median(values):
    values = [value for value in values if value == value]
    return statistics.median(values) if values else NAN


def middle_and_extremes(ratios):
    known = [ratio for ratio in ratios if ratio == ratio]
    return (statistics.median(known), min(known), max(known)) if known else (NAN, NAN, NAN)


def time_of(run):
    """What tracing may add to, in ns: the wall time, or the CPU time where the wall time is mostly waiting for the clock."""
    return 1e6 * run["cpu_ms" if run["unit"].startswith("CPU") or "p99" in run["unit"] else "wall_ms"]


def result_rows(pairs):
    rows = []
    for (_, procs, traced), runs in pairs.items():
        extracted = [(list(metric_rows(creel)), {key: value for key, _, value in metric_rows(peer)})
                     for creel, peer in runs]
        extra = [median(run[side][key] / divisor for run in runs)
                 for key, divisor in (("cpu_ms", 1), ("rss_kib", 1024)) for side in (0, 1)]
        for place, (name, unit, _) in enumerate(extracted[0][0]):
            values = [(mine[place][2], theirs[name]) for mine, theirs in extracted]
            rows.append(dict(zip(COLUMNS, (
                name, procs, "on" if traced else "off", median(creel for creel, _ in values),
                median(peer for _, peer in values), unit, *middle_and_extremes([by(*pair) for pair in values]), *extra))))
    return rows


def trace_rows(pairs):
    """What tracing adds to time_of(), for benchmarks measured both ways. A repetition's runs without and with tracing
    are neighbours, so each gives a figure of its own; columns are medians of those."""
    rows = []
    for (name, procs, traced), runs in pairs.items():
        plain = pairs.get((name, procs, False))
        if not traced or plain is None:
            continue
        operations = runs[0][0]["ops"]

        def of(side, figure):
            return [figure(off[side], on[side]) for off, on in zip(plain, runs)]

        def added(off, on):
            return time_of(on) - time_of(off)

        def per_event(off, on):
            # Below an event in a hundred operations the difference is noise.
            return added(off, on) / on["events"] if on["events"] > on["ops"] / 100 else NAN

        each = [of(side, per_event) for side in (0, 1)]
        per_operation = [median(of(side, added)) / operations for side in (0, 1)]
        sizes = [median(of(side, lambda _, on: by(on["trace_bytes"], on["events"]))) for side in (0, 1)]
        # Of the medians, as a difference of two runs may come out near 0; the extremes say how far to trust it.
        extremes = middle_and_extremes([by(*pair) for pair in zip(*each)])[1:]
        rows.append(dict(zip(TRACE_COLUMNS, (
            name, procs, *[median(of(side, lambda off, on: by(time_of(on), time_of(off)))) for side in (0, 1)],
            *per_operation, by(*per_operation),
            *[median(of(side, lambda _, on: on["events"] / on["ops"])) for side in (0, 1)],
            median(each[0]), median(each[1]), by(median(each[0]), median(each[1])), *extremes,
            *sizes, by(*sizes)))))
    return rows


def text_of(value):
    if isinstance(value, float):
        if value != value:
            return "-"
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def print_rows(rows, columns, as_csv):
    if as_csv:
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([f"{row[key]:.6g}" if isinstance(row[key], float) else row[key] for key in columns])
        return
    table = [list(columns)] + [[text_of(row[key]) for key in columns] for row in rows]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    for line in table:
        cells = [cell.ljust(width) if place == 0 else cell.rjust(width)
                 for place, (cell, width) in enumerate(zip(line, widths))]
        print("  ".join(cells).rstrip())


def print_table(title, rows, columns, as_csv):
    """A further table, after another."""
    if not rows:
        return
    print()
    if not as_csv:
        print(title)
    print_rows(rows, columns, as_csv)


# --- Targets: a CSV of benchmark,procs,figure,must,aim,best_peer (bench/targets.csv says what they mean)

TARGET_COLUMNS = ("benchmark", "procs", "figure", "is", "low", "high", "must", "aim", "best_peer", "verdict", "peer")
PEER_NOISE = 1.05


def read_targets(path):
    try:
        with open(path, encoding="utf-8") as file:
            lines = list(csv.DictReader(line for line in file if not line.startswith("#")))
        return [{**line, "procs": int(line["procs"]),
                 **{key: float(line[key]) if line[key] else NAN for key in ("must", "aim", "best_peer")}}
                for line in lines]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise Failure(f"{path}: not a table of benchmark,procs,figure,must,aim,best_peer: {error!r}") from error


def target_rows(targets, results, traced, against_peer):
    """The targets whose benchmark was measured, judged: those by epoll's figures or those by Go's."""
    figures = {}
    for row in results:
        if row["trace"] == "off":
            key = row["benchmark"], row["procs"]
            figures[(*key, "bare" if against_peer == "epoll" else "ratio")] = (
                row["ratio"], row["ratio_min"], row["ratio_max"])
            if against_peer == "epoll":
                continue
            figures[(*key, "value")] = row["creel"], NAN, NAN
            figures[(*key, "rss")] = by(row["creel_rss_mib"], row["peer_rss_mib"]), NAN, NAN
    for row in traced:
        key = row["benchmark"], row["procs"]
        figures[(*key, "event_ns")] = row["ratio"], row["ratio_min"], row["ratio_max"]
        figures[(*key, "event_bytes")] = row["bytes_ratio"], NAN, NAN
        figures[(*key, "added")] = row["op_ratio"], NAN, NAN
    rows = []
    for target in targets:
        found = figures.get((target["benchmark"], target["procs"], target["figure"]))
        if found is None:
            continue
        value, must, aim, peer = found[0], target["must"], target["aim"], target["best_peer"]
        verdict = "-" if value != value else "aim" if value <= aim else "must" if value <= must else "MISS"
        against = "-" if peer != peer or value != value else "pass" if value <= peer * PEER_NOISE else "MISS"
        rows.append(dict(zip(TARGET_COLUMNS, (target["benchmark"], target["procs"], target["figure"], *found, must, aim,
                                              peer, verdict, against))))
    return rows
