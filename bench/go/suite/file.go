// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"os"
	"runtime"
	"sync"
)

var fileBenchmarks = []benchmark{{"read_file", "ns/file", readFiles}}

const fileBytes = 1024

func readFiles(r *run) {
	goroutines := runtime.GOMAXPROCS(0)
	total := r.count(200_000, goroutines)
	file, err := os.CreateTemp("", "creel-bench-")
	if err != nil {
		panic(err)
	}
	defer os.Remove(file.Name())
	_, err = file.Write(make([]byte, fileBytes))
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		panic(err)
	}
	r.measure(total, func() {
		var wg sync.WaitGroup
		for range goroutines {
			wg.Add(1)
			go func() {
				for range total / goroutines {
					if content, err := os.ReadFile(file.Name()); err != nil || len(content) != fileBytes {
						panic("the file has changed")
					}
				}
				wg.Done()
			}()
		}
		wg.Wait()
	})
}
