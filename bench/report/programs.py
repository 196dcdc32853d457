# Copyright (c) 2026 The creel authors
# SPDX-License-Identifier: MIT
"""The programs that are measured: building them, running one benchmark of one, and counting the events of its trace."""

import contextlib
import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD = ROOT / "build" / "release"
MANDELBROT = ("col", "pixel", "workers", "workers-buffered", "col-workers-buffered")
SCALING = "scale_"  # how the names of the benchmarks begin that scripts/bench runs with --scaling only
# Rows of scripts/bench alone: the benchmark before the suffix with all its processes on one CPU. With one connection client
# and server run by turns, and where the kernel puts them decides more than what they do (bench/README.md).
ONE_CPU = "_one_cpu"
WITH_ONE_CPU = ("tcp_echo_1",)
TIMEOUT_S = 300  # of one run; the longest at scale 1 takes about 10 s
# What a trace consists of beside events.
NO_EVENTS = ("EventBatch", "ExperimentalBatch", "Strings", "String", "Stacks", "Stack", "CPUSamples", "Frequency", "Sync",
             "ClockSnapshot", "EndOfGeneration")
# Peers that are given by the prefix they are installed in: the variable, and the header that tells.
ROOTS = {"marl": ("CREEL_MARL_ROOT", "marl/scheduler.h"), "photon": ("CREEL_PHOTON_ROOT", "photon/thread/thread.h"),
         "libgo": ("CREEL_LIBGO_ROOT", "libgo/coroutine.h"), "bthread": ("CREEL_BTHREAD_ROOT", "bthread/bthread.h")}


class Failure(Exception):
    """Ends the program with a message."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_or_fail(command, **options):
    say("+ " + " ".join(str(word) for word in command))
    if subprocess.run(command, stdout=sys.stderr, check=False, **options).returncode != 0:
        raise Failure(f"{command[0]} failed")


@contextlib.contextmanager
def on_one_cpu():
    """Binds this process, and what it starts, to one CPU."""
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {max(before)})
    except OSError as error:
        raise Failure(f"rows that end in {ONE_CPU} need sched_setaffinity(2), which says: {error}; leave them out by "
                      "--only") from error
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def output_of(command):
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise Failure(f"{' '.join(command)}: not done after {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: status {done.returncode}")
    return done.stdout


def go_environment():
    return {**os.environ, "GOFLAGS": "-buildvcs=false", "GOTOOLCHAIN": "local"}


def in_cache(directory, variable):
    """The value of a CMake variable in a configured build; None without."""
    try:
        text = (directory / "CMakeCache.txt").read_text(encoding="utf-8")
    except OSError:
        return None
    found = re.search(rf"^{variable}:\w+=(.+)$", text, re.MULTILINE)
    return found[1] if found else None


def peer_hints(arguments, directory):
    """What CMake is told of where the peer is. Fails if it is not there."""
    if arguments.peer == "boost":
        root = os.environ.get("CREEL_BOOST_FIBER_ROOT")
        return [f"-DCREEL_BOOST_FIBER_ROOT={root}"] if root else []
    if arguments.peer not in ROOTS:
        return []
    variable, header = ROOTS[arguments.peer]
    # A build that is not configured here knows its own root only.
    configured_here = arguments.build_dir is None and not arguments.no_build
    root = (os.environ.get(variable) if configured_here else None) or in_cache(directory, variable)
    if not root:
        raise Failure(f"--peer={arguments.peer} needs {variable}, the prefix {arguments.peer} is installed in (it has "
                      f"include/{header}): " + ("set it in the environment" if configured_here else
                                                f"configure {directory} with -D{variable}=PREFIX"))
    if not (Path(root) / "include" / header).is_file():
        raise Failure(f"{variable}={root}: there is no include/{header}; give the prefix {arguments.peer} is installed in")
    return [f"-D{variable}={Path(root).resolve()}"]


def build(arguments):
    """Builds both sides unless told not to. Returns the directory of creel's programs."""
    directory = arguments.build_dir or BUILD
    os.environ["CREEL_BENCH_LOAD"] = str((directory / "bin" / "bench_load").resolve())  # for the network benchmarks
    if arguments.peer == "go" and shutil.which("go") is None:
        raise Failure("--peer=go needs go (1.23 or newer) on PATH; there is also --peer=boost")
    hints = peer_hints(arguments, directory)
    if arguments.no_build:
        needed = [directory / "bin" / name for name in ("bench_creel", "bench_load", "mandelbrot")]
        if arguments.peer == "go":
            needed += [arguments.go_dir / name for name in ("bench_go", "mandelbrot_go")]
        else:
            needed.append(directory / "bin" / f"bench_{arguments.peer}")
        missing = [str(program) for program in needed if not program.exists()]
        if missing:
            raise Failure(f"--no-build: not built yet: {', '.join(missing)}")
        return directory / "bin"
    if arguments.peer == "boost" and arguments.install:
        run_or_fail([ROOT / "scripts" / "deps", "--peers"])
    if arguments.build_dir is None:
        run_or_fail(["cmake", "-S", ROOT, "-B", BUILD, "--preset", "release", "--log-level=WARNING", *hints], cwd=ROOT)
    targets = ["bench_creel", "bench_load", "mandelbrot"]
    if arguments.peer != "go":
        targets.append(f"bench_{arguments.peer}")
    try:
        run_or_fail(["cmake", "--build", directory, "--parallel", str(os.cpu_count() or 2), "--target", *targets])
    except Failure as failure:
        if arguments.peer == "boost":
            raise Failure("the build failed; bench_boost needs Boost.Fiber: give --install (libboost-fiber-dev, by "
                          "scripts/deps --peers), or CREEL_BOOST_FIBER_ROOT in the environment (with --build-dir: in "
                          "its CMake cache)") from failure
        raise
    if arguments.peer == "go":
        arguments.go_dir.mkdir(parents=True, exist_ok=True)
        for twin, name in (("suite", "bench_go"), ("mandelbrot", "mandelbrot_go")):
            target = arguments.go_dir.resolve() / name
            run_or_fail(["go", "build", "-C", ROOT / "bench" / "go" / twin, "-o", target, "."], env=go_environment())
    return directory / "bin"


class EventCounter:
    """Counts the events of traces by Go's own reader: $CREEL_GO_TRACE, else built from the Go on PATH."""

    def __init__(self, go_dir):
        given = os.environ.get("CREEL_GO_TRACE")
        self.reader = Path(given) if given else go_dir.resolve() / "go_trace"
        self.go_dir = go_dir
        self.bytes_per_event = {}

    def count(self, key, path, size):
        """Events of the trace at `path`, of `size` bytes; runs of the same `key` are told by size after the first."""
        if key not in self.bytes_per_event:
            if not self.reader.exists():
                self.go_dir.mkdir(parents=True, exist_ok=True)
                run_or_fail(["go", "build", "-o", self.reader, "cmd/trace"], env=go_environment())
            total = 0
            for line in output_of([str(self.reader), "-d=footprint", str(path)]).splitlines():
                found = re.match(r"(\w+)\s+(\d+)\s+[\d.]+%\s+(\d+)\s", line)
                if found and found[1] not in NO_EVENTS:
                    total += int(found[3])
            if total == 0:
                raise Failure(f"{path}: the reader found no events")
            self.bytes_per_event[key] = size / total
        return round(size / self.bytes_per_event[key])


class Suite:
    """The benchmarks of bench_<side>."""

    def __init__(self, side, program, directory, counter):
        self.side, self.program, self.directory, self.counter = side, str(program), directory, counter

    def names(self, scaling=False):
        names = [name for name in output_of([self.program, "--list"]).split() if name.startswith(SCALING) == scaling]
        return [row for name in names for row in ((name, name + ONE_CPU) if name in WITH_ONE_CPU else (name,))]

    def left_out(self):
        """Why the program lacks what it lacks: {name: reason}. Not for Go's, which lacks nothing."""
        return dict(line.split(": ", 1) for line in output_of([self.program, "--left-out"]).splitlines())

    def run(self, name, procs, traced, scale, size=None):
        trace = os.path.join(self.directory, f"{self.side}.trace")
        command = [self.program, f"--bench={name.removesuffix(ONE_CPU)}", f"--procs={procs}",
                   f"--trace={trace if traced else 'off'}", f"--scale={scale}"]
        with on_one_cpu() if name.endswith(ONE_CPU) else contextlib.nullcontext():
            run = json.loads(output_of(command + ([f"--size={size}"] if size else [])))
        run["bench"] = name
        if traced:
            run["events"] = self.counter.count((self.side, name, procs), trace, run["trace_bytes"])
            os.remove(trace)
        return run


class Mandelbrot:
    """bench/mandelbrot or its twin, whose CSV becomes the same kind of run."""

    def __init__(self, side, program, directory, counter):
        self.side, self.program, self.directory, self.counter = side, str(program), directory, counter

    def names(self):
        return [f"mandelbrot_{variant}" for variant in MANDELBROT]

    def run(self, name, procs, traced, scale):
        variant = name.removeprefix("mandelbrot_")
        size = max(8, round(2048 * scale ** 0.5))
        command = [self.program, "--csv", f"--variant={variant}", f"--size={size}", f"--procs={procs}"]
        if traced:
            command.append(f"--trace-dir={self.directory}")
        with tempfile.NamedTemporaryFile("w+") as report:
            with subprocess.Popen(command, stdout=report) as child:
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode != 0:
                raise Failure(f"{' '.join(command)}: status {child.returncode}")
            report.seek(0)
            row = next(csv.DictReader(report))
        # A child's ru_maxrss is at least its parent's at the fork, so a smaller peak cannot be told.
        peak = usage.ru_maxrss if usage.ru_maxrss > resource.getrusage(resource.RUSAGE_SELF).ru_maxrss else float("nan")
        seconds = float(row["traced_s" if traced else "wall_s"])
        run = {"side": self.side, "bench": name, "procs": procs, "size": 0, "trace": "on" if traced else "off",
               "unit": "s", "value": seconds, "ops": size * size, "wall_ms": 1e3 * seconds,
               "cpu_ms": 1e3 * (usage.ru_utime + usage.ru_stime) / (2 if traced else 1), "rss_kib": peak, "events": 0,
               "trace_bytes": 0, "metrics": {}}
        if traced:
            trace = os.path.join(self.directory, f"{variant}.trace")
            run["trace_bytes"] = os.path.getsize(trace)
            run["events"] = self.counter.count((self.side, name, procs), trace, run["trace_bytes"])
            os.remove(trace)
        return run
