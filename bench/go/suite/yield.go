// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync"
)

var yieldBenchmarks = []benchmark{
	{"yield_2", "ns/yield", func(r *run) { yields(r, 2) }},
	{"yield_1000", "ns/yield", func(r *run) { yields(r, 1000) }},
}

func yields(r *run, fibers int) {
	total := r.count(10_000_000, fibers)
	r.measure(total, func() {
		var wg sync.WaitGroup
		for range fibers {
			wg.Add(1)
			go func() {
				for range total / fibers {
					runtime.Gosched()
				}
				wg.Done()
			}()
		}
		wg.Wait()
	})
}
