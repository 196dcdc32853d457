// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"slices"
	"sync"
	"time"
)

var sleepBenchmarks = []benchmark{
	{"sleep_million", "CPU ms", millionSleeps},
	{"sleep_late_1", "us p99", func(r *run) { lateness(r, 1, 1000) }},
	{"sleep_late_100", "us p99", func(r *run) { lateness(r, 100, 1000) }},
	{"idle_10000", "CPU ms/s", idle},
}

func millionSleeps(r *run) {
	total := r.count(1_000_000, 1)
	r.measure(total, func() {
		var wg sync.WaitGroup
		for i := range total {
			wg.Add(1)
			go func() {
				time.Sleep(time.Duration(1+(i*7919)%1000) * time.Millisecond)
				wg.Done()
			}()
		}
		wg.Wait()
	})
	r.value = milliseconds(r.cpu)
	r.metrics["wall_ms"] = milliseconds(r.wall)
}

func lateness(r *run, fibers, full int) {
	each := r.count(full, 1)
	late := make([][]float64, fibers)
	for i := range late {
		late[i] = make([]float64, each)
	}
	r.measure(fibers*each, func() {
		var wg sync.WaitGroup
		for _, mine := range late {
			wg.Add(1)
			go func() {
				for i := range mine {
					due := time.Now().Add(time.Millisecond)
					time.Sleep(time.Millisecond)
					mine[i] = float64(time.Since(due).Nanoseconds()) / 1e3
				}
				wg.Done()
			}()
		}
		wg.Wait()
	})
	all := slices.Concat(late...)
	r.value = percentile(all, 0.99)
	r.metrics["p50_us"] = percentile(all, 0.5)
	r.metrics["busy_percent"] = 100 * float64(r.cpu) / float64(r.wall)
}

func idle(r *run) {
	period := time.Duration(10 * r.scale * float64(time.Second))
	fibers := min(r.count(100_000_000, 1), 10_000)
	var started sync.WaitGroup
	started.Add(fibers)
	for range fibers {
		go func() {
			started.Done()
			time.Sleep(time.Hour)
		}()
	}
	started.Wait()
	time.Sleep(20 * time.Millisecond)
	r.measure(fibers, func() { time.Sleep(period) })
	r.value = milliseconds(r.cpu) / r.wall.Seconds()
}
