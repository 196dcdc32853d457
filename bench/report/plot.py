# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT
"""Ratios as a picture: horizontal bars on a logarithmic axis, from 1 to the ratio, whiskers from least to largest. Plain SVG."""

from math import ceil, floor, isfinite, log2
from pathlib import Path

from report.programs import Failure

LEFT, WIDTH, RIGHT, HEIGHT = 250, 520, 60, 16  # labels, bars, figures; one row
LOWEST, HIGHEST = -6.0, 6.0  # logarithms; what lies beyond is drawn at the edge


def bars(rows, label):
    return [(label(row), row["ratio"], row["ratio_min"], row["ratio_max"]) for row in rows
            if isfinite(row["ratio"]) and row["ratio"] > 0]


def section(title, entries, top, x, low, high, parts):
    """Draws the entries below `top`; returns where the next section may begin."""
    parts.append(f'<text x="10" y="{top}" font-size="14">{title}</text>')
    first, end = top + 26, top + 26 + HEIGHT * len(entries)
    for power in range(ceil(low), floor(high) + 1):
        place, weight = x(2.0 ** power), 1.5 if power == 0 else 0.4
        parts.append(f'<line x1="{place:.1f}" y1="{first - 4}" x2="{place:.1f}" y2="{end}" stroke="#888" '
                     f'stroke-width="{weight}"/>')
        parts.append(f'<text x="{place:.1f}" y="{first - 7}" text-anchor="middle" fill="#555">{2.0 ** power:g}</text>')
    for place, (name, ratio, least, most) in enumerate(entries):
        y = first + place * HEIGHT
        begin, stop = sorted((x(1), x(ratio)))
        colour = "#2a9d6f" if ratio <= 1 else "#cc4433"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{name}</text>')
        parts.append(f'<rect x="{begin:.1f}" y="{y + 3}" width="{max(stop - begin, 1):.1f}" height="{HEIGHT - 6}" '
                     f'fill="{colour}"/>')
        if isfinite(least) and least > 0:
            parts.append(f'<line x1="{x(least):.1f}" y1="{y + 8}" x2="{x(most):.1f}" y2="{y + 8}" stroke="black"/>')
        parts.append(f'<text x="{LEFT + WIDTH + 8}" y="{y + 12}">{ratio:.2f}</text>')
    return end + 40


def plot(results, traced, path, peer):
    """`results` and `traced`: as of tables.result_rows() and trace_rows(). Only the main figure of each benchmark."""
    def name(row):
        return f'{row["benchmark"]} ({row["procs"]})'

    sections = [
        (f"time, creel / {peer}, tracing off: below 1 creel is better (number of P)",
         bars([row for row in results if row["trace"] == "off" and "." not in row["benchmark"]], name)),
        (f"time that tracing adds per event, creel / {peer}", bars(traced, name)),
        (f"bytes of trace per event, creel / {peer}",
         bars([{**row, "ratio": row["bytes_ratio"], "ratio_min": float("nan"), "ratio_max": float("nan")}
               for row in traced], name)),
    ]
    sections = [(title, entries) for title, entries in sections if entries]
    if not sections:
        raise Failure("--plot: no row has a ratio")
    ratios = [log2(ratio) for _, entries in sections for _, ratio, _, _ in entries]
    low, high = max(LOWEST, min(-1.0, *ratios) - 0.3), min(HIGHEST, max(1.0, *ratios) + 0.3)

    def x(ratio):
        return LEFT + (min(max(log2(ratio), low), high) - low) / (high - low) * WIDTH

    parts, top = [], 24
    for title, entries in sections:
        top = section(title, entries, top, x, low, high, parts)
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{top - 20}" '
            'font-family="sans-serif" font-size="11">\n<rect width="100%" height="100%" fill="white"/>\n')
    Path(path).write_text(head + "\n".join(parts) + "\n</svg>\n", encoding="utf-8")
