// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"time"
)

var parkedBenchmarks = []benchmark{{"parked", "bytes/fiber", func(r *run) {
	total := r.count(1_000_000, 1)
	var mutex sync.Mutex
	allParked, wake := sync.NewCond(&mutex), sync.NewCond(&mutex)
	waiting, released := 0, false
	var wg sync.WaitGroup
	before, after := residentBytes(), 0
	r.measure(total, func() {
		start := time.Now()
		for range total {
			wg.Add(1)
			go func() {
				mutex.Lock()
				if waiting++; waiting == total {
					allParked.Signal()
				}
				for !released {
					wake.Wait()
				}
				mutex.Unlock()
				wg.Done()
			}()
		}
		mutex.Lock()
		for waiting < total {
			allParked.Wait()
		}
		r.metrics["create_ms"] = milliseconds(time.Since(start))
		after = residentBytes()
		woken := time.Now()
		released = true
		wake.Broadcast()
		mutex.Unlock()
		wg.Wait()
		r.metrics["wake_ms"] = milliseconds(time.Since(woken))
	})
	r.value = float64(after-before) / float64(total)
}}}
