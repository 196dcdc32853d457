// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The Go twin of bench/creel: the same command line, names, counts and JSON (see bench/harness/harness.h), each
// benchmark doing the same work the same way.
package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"runtime"
	"runtime/trace"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// run is one run of one benchmark.
type run struct {
	scale      float64
	size       int
	wall, cpu  time.Duration
	operations int
	value      float64
	metrics    map[string]float64
}

// count is full at scale 1, less or more at others; a multiple of unit and at least one unit.
func (r *run) count(full, unit int) int {
	return max(int(math.Round(float64(full)*r.scale))/unit, 1) * unit
}

// sizeOr is how many goroutines or waiters, of the benchmarks named scale_*: --size, or standard without it.
func (r *run) sizeOr(standard int) int {
	if r.size > 0 {
		return r.size
	}
	return standard
}

// measure takes wall time and CPU time of the process around body. The value becomes nanoseconds per operation.
func (r *run) measure(operations int, body func()) {
	cpu := cpuOfProcess()
	start := time.Now()
	body()
	r.wall = time.Since(start)
	r.cpu = cpuOfProcess() - cpu
	r.operations = operations
	r.value = float64(r.wall.Nanoseconds()) / float64(operations)
}

type benchmark struct {
	name, unit string
	function   func(*run)
}

var benchmarks = slices.Concat(blockingBenchmarks, channelBenchmarks, fileBenchmarks, lockBenchmarks, netBenchmarks,
	parkedBenchmarks, scaleBenchmarks, skynetBenchmarks, sleepBenchmarks, spawnBenchmarks, yieldBenchmarks)

type line struct {
	Side       string             `json:"side"`
	Bench      string             `json:"bench"`
	Procs      int                `json:"procs"`
	Size       int                `json:"size"`
	Trace      string             `json:"trace"`
	Unit       string             `json:"unit"`
	Value      float64            `json:"value"`
	Operations int                `json:"ops"`
	WallMs     float64            `json:"wall_ms"`
	CPUMs      float64            `json:"cpu_ms"`
	RSSKiB     int                `json:"rss_kib"`
	Events     int                `json:"events"` // not counted by Go
	TraceBytes int64              `json:"trace_bytes"`
	Metrics    map[string]float64 `json:"metrics"`
}

func main() {
	if err := mainOf(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench_go:", err)
		os.Exit(1)
	}
}

func mainOf(arguments []string) error {
	name, traceTo := "", "off"
	procs, scale, size := 1, 1., 0
	for _, argument := range arguments {
		flag, value, _ := strings.Cut(argument, "=")
		var err error
		switch {
		case flag == "--bench":
			name = value
		case flag == "--procs":
			if procs, err = strconv.Atoi(value); err != nil || procs < 1 || procs > 1024 {
				return fmt.Errorf("--procs: '%s' is not accepted: give a number from 1 to 1024", value)
			}
		case flag == "--trace":
			traceTo = value
		case flag == "--scale":
			if scale, err = strconv.ParseFloat(value, 64); err != nil || !(scale >= 1e-6 && scale <= 1e3) {
				return fmt.Errorf("--scale: '%s' is not accepted: give a number from 1e-06 to 1000", value)
			}
		case flag == "--size":
			if size, err = strconv.Atoi(value); err != nil || size < 1 || size > 10_000_000 {
				return fmt.Errorf("--size: '%s' is not accepted: give a number from 1 to 10000000", value)
			}
		case argument == "--list":
			var names []string
			for _, b := range benchmarks {
				names = append(names, b.name)
			}
			slices.Sort(names)
			fmt.Println(strings.Join(names, "\n"))
			return nil
		default:
			return fmt.Errorf("'%s' is not accepted: give --list or --bench=NAME --procs=N --trace=off|FILE --scale=F --size=N", argument)
		}
	}
	place := slices.IndexFunc(benchmarks, func(b benchmark) bool { return b.name == name })
	if place < 0 {
		return fmt.Errorf("--bench: '%s' is not accepted: see --list", name)
	}
	runtime.GOMAXPROCS(procs)
	b := benchmarks[place]
	r := &run{scale: scale, size: size, metrics: map[string]float64{}}
	result := line{Side: "go", Bench: name, Procs: procs, Size: size, Trace: "off", Unit: b.unit}
	if traceTo == "off" {
		b.function(r)
	} else {
		size, err := traced(traceTo, func() { b.function(r) })
		if err != nil {
			return err
		}
		result.Trace, result.TraceBytes = "on", size
	}
	var err error
	if result.RSSKiB, err = peakResidentKiB(); err != nil {
		return err
	}
	result.Value, result.Operations, result.Metrics = r.value, r.operations, r.metrics
	result.WallMs, result.CPUMs = milliseconds(r.wall), milliseconds(r.cpu)
	return json.NewEncoder(os.Stdout).Encode(result)
}

// traced runs body while tracing to path and returns the size of the trace.
func traced(path string, body func()) (int64, error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	if err := trace.Start(file); err != nil {
		return 0, err
	}
	body()
	trace.Stop()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e6 }

func cpuOfProcess() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peakResidentKiB is the peak of this program alone: ru_maxrss would also count what the process was before exec.
func peakResidentKiB() (int, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for _, text := range strings.Split(string(status), "\n") {
		if fields := strings.Fields(text); len(fields) > 1 && fields[0] == "VmHWM:" {
			return strconv.Atoi(fields[1])
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no VmHWM")
}

// residentBytes is the resident memory of this process now.
func residentBytes() int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		panic(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		panic(err)
	}
	return pages * os.Getpagesize()
}

// percentile is the smallest sample that at least share of all samples do not exceed.
func percentile(samples []float64, share float64) float64 {
	slices.Sort(samples)
	return samples[max(int(math.Ceil(share*float64(len(samples)))), 1)-1]
}

// work takes about 25 ns on a core of 2.5 GHz: 16 dependent steps, as bench::work().
func work(seed uint64) uint64 {
	for range 16 {
		seed = seed*6364136223846793005 + 1442695040888963407
	}
	return seed
}
