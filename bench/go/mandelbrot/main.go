// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The Go twin of bench/mandelbrot: the same flags, the same variants, the same bytes in the pictures.
package main

import (
	"encoding/csv"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"runtime/trace"
	"sort"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

var (
	size     = flag.Int("size", 2048, "width and height in pixels")
	workers  = flag.Int("workers", 8, "goroutines of the worker variants")
	procs    = flag.Int("procs", 0, "GOMAXPROCS; 0: Go's default")
	out      = flag.String("out", "", "write DIR/VARIANT.png")
	traceDir = flag.String("trace-dir", "", "run each variant a second time with tracing, to DIR/VARIANT.trace")
	repeat   = flag.Int("repeat", 1, "runs of each kind; the median counts")
	asCSV    = flag.Bool("csv", false, "print comma-separated values")
)

type measured struct {
	seconds, cpuSeconds float64
	goroutines          int
	bytes               int64
}

func main() {
	name := flag.String("variant", "all", "which experiment")
	flag.Parse()
	if err := run(*name); err != nil {
		fmt.Fprintln(os.Stderr, "mandelbrot:", err)
		os.Exit(1)
	}
}

func run(name string) error {
	if *size < 1 || *workers < 1 || *repeat < 1 || *procs < 0 {
		return fmt.Errorf("--size, --workers and --repeat must be at least 1, --procs at least 0")
	}
	if *procs > 0 {
		runtime.GOMAXPROCS(*procs)
	}
	for _, dir := range []string{*out, *traceDir} {
		if dir != "" {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	rows := [][]string{{"variant", "wall_s", "speedup", "cpu/P", "fibers", "trace_bytes", "traced_s", "on/off"}}
	var names []string
	seq := 0.
	for _, v := range variants {
		names = append(names, v.name)
		if name != "all" && name != v.name {
			continue
		}
		row, seconds, err := experiment(v, seq)
		if err != nil {
			return err
		}
		if v.name == "seq" {
			seq = seconds
		}
		rows = append(rows, row)
	}
	if len(rows) == 1 {
		return fmt.Errorf("--variant '%s' is not accepted: give one of %s, all", name, strings.Join(names, ", "))
	}
	if *asCSV {
		return csv.NewWriter(os.Stdout).WriteAll(rows)
	}
	fmt.Printf("%d x %d pixels, %d P, %d workers, %s\n", *size, *size, runtime.GOMAXPROCS(0), *workers, runtime.Version())
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range rows {
		fmt.Fprintln(table, strings.Join(row, "\t")+"\t")
	}
	return table.Flush()
}

func experiment(v variant, seq float64) ([]string, float64, error) {
	m := image.NewGray(image.Rect(0, 0, *size, *size))
	off, err := measureRepeatedly(v, m, "")
	if err != nil {
		return nil, 0, err
	}
	if v.name == "seq" {
		seq = off.seconds
	}
	row := []string{v.name, fmt.Sprintf("%.3f", off.seconds), "-",
		fmt.Sprintf("%.2f", off.cpuSeconds/(off.seconds*float64(runtime.GOMAXPROCS(0)))),
		strconv.Itoa(off.goroutines), "-", "-", "-"}
	if seq > 0 {
		row[2] = fmt.Sprintf("%.2f", seq/off.seconds)
	}
	if *traceDir != "" {
		on, err := measureRepeatedly(v, m, filepath.Join(*traceDir, v.name+".trace"))
		if err != nil {
			return nil, 0, err
		}
		row[5] = strconv.FormatInt(on.bytes, 10)
		row[6] = fmt.Sprintf("%.3f", on.seconds)
		row[7] = fmt.Sprintf("%.2f", on.seconds/off.seconds)
	}
	if *out != "" {
		err = writePNG(m, filepath.Join(*out, v.name+".png"))
	}
	return row, off.seconds, err
}

func measureRepeatedly(v variant, m *image.Gray, tracePath string) (measured, error) {
	var runs []measured
	for range *repeat {
		one, err := measure(v, m, tracePath)
		if err != nil {
			return one, err
		}
		runs = append(runs, one)
	}
	sort.Slice(runs, func(i, j int) bool { return runs[i].seconds < runs[j].seconds })
	return runs[len(runs)/2], nil
}

func measure(v variant, m *image.Gray, tracePath string) (result measured, err error) {
	if tracePath != "" {
		file, err := os.Create(tracePath)
		if err != nil {
			return result, err
		}
		if err = trace.Start(file); err != nil {
			return result, err
		}
		defer func() {
			trace.Stop()
			if info, statErr := file.Stat(); statErr == nil {
				result.bytes = info.Size()
			}
			if closeErr := file.Close(); err == nil {
				err = closeErr
			}
		}()
	}
	cpu := cpuSeconds()
	start := time.Now()
	result.goroutines = v.fill(m, *workers)
	result.seconds = time.Since(start).Seconds()
	result.cpuSeconds = cpuSeconds() - cpu
	return result, err
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func writePNG(m *image.Gray, path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err = png.Encode(file, m); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
