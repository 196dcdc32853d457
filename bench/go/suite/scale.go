// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"runtime"
	"sync"
	"time"
)

var scaleBenchmarks = []benchmark{
	{"scale_spawn", "ns/fiber", scaleSpawn},
	{"scale_yield", "ns/yield", scaleYield},
	{"scale_condvar", "ns/fiber", scaleCondvar},
	{"scale_mutex", "ns/fiber", scaleMutex},
	{"scale_channel", "ns/fiber", scaleChannel},
	{"scale_timer", "CPU ns/sleep", scaleTimer},
}

func spawn(wg *sync.WaitGroup, goroutines int, function func()) {
	for range goroutines {
		wg.Add(1)
		go func() {
			function()
			wg.Done()
		}()
	}
}

// inRounds measures total operations, size of them per call of round.
func inRounds(r *run, size int, round func()) {
	total := r.count(1_000_000, size)
	r.measure(total, func() {
		for done := 0; done < total; done += size {
			round()
		}
	})
}

func scaleSpawn(r *run) {
	size := r.sizeOr(1000)
	inRounds(r, size, func() {
		var wg sync.WaitGroup
		spawn(&wg, size, func() {})
		wg.Wait()
	})
}

func scaleYield(r *run) {
	size := r.sizeOr(1000)
	total := r.count(2_000_000, size)
	r.measure(total, func() {
		var wg sync.WaitGroup
		spawn(&wg, size, func() {
			for range total / size {
				runtime.Gosched()
			}
		})
		wg.Wait()
	})
}

func scaleCondvar(r *run) {
	size := r.sizeOr(1000)
	inRounds(r, size, func() {
		var mutex sync.Mutex
		allParked, wake := sync.NewCond(&mutex), sync.NewCond(&mutex)
		waiting, released := 0, false
		var wg sync.WaitGroup
		spawn(&wg, size, func() {
			mutex.Lock()
			if waiting++; waiting == size {
				allParked.Signal()
			}
			for !released {
				wake.Wait()
			}
			mutex.Unlock()
		})
		mutex.Lock()
		for waiting < size {
			allParked.Wait()
		}
		released = true
		wake.Broadcast()
		mutex.Unlock()
		wg.Wait()
	})
}

func scaleMutex(r *run) {
	size := r.sizeOr(1000)
	inRounds(r, size, func() {
		var mutex sync.Mutex
		var coming, wg sync.WaitGroup
		coming.Add(size)
		mutex.Lock()
		spawn(&wg, size, func() {
			coming.Done()
			mutex.Lock()
			mutex.Unlock()
		})
		coming.Wait()
		mutex.Unlock()
		wg.Wait()
	})
}

func scaleChannel(r *run) {
	size := r.sizeOr(1000)
	inRounds(r, size, func() {
		channel := make(chan int)
		var coming, wg sync.WaitGroup
		coming.Add(size)
		spawn(&wg, size, func() {
			coming.Done()
			<-channel
		})
		coming.Wait()
		for range size {
			channel <- 1
		}
		wg.Wait()
	})
}

func scaleTimer(r *run) {
	const sleepers = 100
	total := r.count(20_000, sleepers)
	var asleep sync.WaitGroup
	size := r.sizeOr(1000)
	asleep.Add(size)
	for i := range size {
		go func() {
			asleep.Done()
			time.Sleep(time.Hour + time.Duration((i*7919)%100_003)*time.Millisecond)
		}()
	}
	asleep.Wait()
	time.Sleep(20 * time.Millisecond)
	r.measure(total, func() {
		var wg sync.WaitGroup
		spawn(&wg, sleepers, func() {
			for range total / sleepers {
				time.Sleep(time.Millisecond)
			}
		})
		wg.Wait()
	})
	r.value = float64(r.cpu.Nanoseconds()) / float64(total)
}
