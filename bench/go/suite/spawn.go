// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import "sync"

var spawnBenchmarks = []benchmark{
	{"spawn_batch", "ns/fiber", func(r *run) {
		total := r.count(2_000_000, 1000)
		spawnAndWait(1000)
		r.measure(total, func() {
			for i := 0; i < total; i += 1000 {
				spawnAndWait(1000)
			}
		})
	}},
	{"spawn_million", "ns/fiber", func(r *run) {
		total := r.count(1_000_000, 1)
		r.measure(total, func() { spawnAndWait(total) })
	}},
}

func spawnAndWait(fibers int) {
	var wg sync.WaitGroup
	for range fibers {
		wg.Add(1)
		go func() { wg.Done() }()
	}
	wg.Wait()
}
