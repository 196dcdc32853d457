// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The Go side of the test of threads outside: C threads that call back into Go, inside one trace.
//
//	cgo -out trace.out -course receive|twice|create|lock|sleep [-rounds 50]
package main

/*
#include <pthread.h>
#include <stdint.h>

extern void callback(int course, int step);

static void *run(void *data) {
	int course = (int)(intptr_t)data;
	callback(course, 0);
	if (course == 1) callback(course, 1);
	return 0;
}

static int start(pthread_t *thread, int course) {
	return pthread_create(thread, 0, run, (void *)(intptr_t)course);
}

static void join(pthread_t *thread) { pthread_join(*thread, 0); }
*/
import "C"

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/trace"
	"slices"
	"time"
)

func main() {
	out := flag.String("out", "", "trace file to write")
	name := flag.String("course", "", "what the threads do")
	rounds := flag.Int("rounds", 50, "number of threads, one after another")
	flag.Parse()
	course := slices.Index(courses, *name)
	if course < 0 {
		fmt.Fprintf(os.Stderr, "-course %q: accepted are %v\n", *name, courses)
		os.Exit(2)
	}
	runtime.GOMAXPROCS(2)
	file, err := os.Create(*out)
	if err == nil {
		err = trace.Start(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for range *rounds {
		var thread C.pthread_t
		mutex.Lock()
		if C.start(&thread, C.int(course)) != 0 {
			fmt.Fprintln(os.Stderr, "pthread_create failed")
			os.Exit(1)
		}
		time.Sleep(2 * time.Millisecond) // the thread waits by then
		serve(course)
		C.join(&thread)
	}
	trace.Stop()
	if err := file.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
