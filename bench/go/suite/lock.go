// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import "sync"

const lockFibers = 8

var lockBenchmarks = []benchmark{
	{"mutex_uncontended", "ns/lock", uncontended},
	{"mutex_8", "ns/lock", contended},
	{"rwmutex_8", "ns/lock", readersAndWriters},
}

func uncontended(r *run) {
	total := r.count(20_000_000, 1)
	var mutex sync.Mutex
	counter := 0
	r.measure(total, func() {
		for range total {
			mutex.Lock()
			counter++
			mutex.Unlock()
		}
	})
	if counter != total {
		panic("increments were lost")
	}
}

func contended(r *run) {
	total := r.count(4_000_000, lockFibers)
	var mutex sync.Mutex
	counter := 0
	value := uint64(1)
	r.measure(total, func() {
		var wg sync.WaitGroup
		for range lockFibers {
			wg.Add(1)
			go func() {
				for range total / lockFibers {
					mutex.Lock()
					value = work(value)
					counter++
					mutex.Unlock()
				}
				wg.Done()
			}()
		}
		wg.Wait()
	})
	if counter != total || value == 0 {
		panic("increments were lost")
	}
}

func readersAndWriters(r *run) {
	total := r.count(8_000_000, lockFibers*50)
	var mutex sync.RWMutex
	counter := 0
	var seen [lockFibers]int
	r.measure(total, func() {
		var wg sync.WaitGroup
		for i := range lockFibers {
			wg.Add(1)
			go func() {
				last := 0
				for k := range total / lockFibers {
					if k%50 == 0 {
						mutex.Lock()
						counter++
						mutex.Unlock()
					} else {
						mutex.RLock()
						last = counter
						mutex.RUnlock()
					}
				}
				seen[i] = last
				wg.Done()
			}()
		}
		wg.Wait()
	})
	if counter != total/50 {
		panic("writes were lost")
	}
	for _, last := range seen {
		if last < 1 || last > counter {
			panic("a reader saw what nobody wrote")
		}
	}
}
