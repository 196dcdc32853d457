// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"sync"
	"syscall"
	"unsafe"
)

var blockingBenchmarks = []benchmark{
	{"blocking_short", "ns/call", shortCalls},
	{"blocking_1ms_8", "us/round", longCalls},
}

func shortCalls(r *run) {
	total := r.count(2_000_000, 1)
	r.measure(total, func() {
		for range total {
			// Not syscall.Getppid(), which does not tell the scheduler.
			syscall.Syscall(syscall.SYS_GETPPID, 0, 0, 0)
		}
	})
}

func longCalls(r *run) {
	rounds := r.count(500, 1)
	r.measure(rounds, func() {
		var wg sync.WaitGroup
		for range 8 {
			wg.Add(1)
			go func() {
				for range rounds {
					millisecond := syscall.Timespec{Nsec: 1_000_000}
					syscall.Syscall(syscall.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&millisecond)), 0, 0)
				}
				wg.Done()
			}()
		}
		wg.Wait()
	})
	r.value /= 1e3
}
