// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The Go side of the differential test: runs each scenario many times at GOMAXPROCS=1 inside one trace, between two log
// events of the main goroutine, "begin" and "end", whose message is the scenario's name.
//
//	conformance -out trace.out [-rounds 300] [-only name,name]
//
// The scheduler looks at its global queue every 61st turn, so the same program takes one of a few courses, by where in
// those 61 turns it begins. A random number of yields before each round walks through all of them.
package main

import (
	"context"
	"flag"
	"fmt"
	"math/rand"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/trace"
	"strings"
)

type scenario struct {
	name string
	run  func(ctx context.Context)
	long bool // takes a tenth of a second: twice is enough
}

func main() {
	out := flag.String("out", "", "trace file to write")
	rounds := flag.Int("rounds", 300, "times each scenario runs")
	only := flag.String("only", "", "comma-separated scenarios; empty: all")
	list := flag.Bool("list", false, "print the names of the scenarios")
	flag.Parse()
	if *list {
		for _, s := range scenarios {
			fmt.Println(s.name)
		}
		return
	}
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(-1)
	file, err := os.Create(*out)
	if err == nil {
		err = trace.Start(file)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	ctx := context.Background()
	for _, s := range scenarios {
		if *only != "" && !strings.Contains(","+*only+",", ","+s.name+",") {
			continue
		}
		n := *rounds
		if s.long {
			n = 2
		}
		if strings.HasPrefix(s.name, "net_") {
			link()
		}
		if strings.HasPrefix(s.name, "pipe_") || strings.HasPrefix(s.name, "file_") {
			files()
		}
		random := rand.New(rand.NewSource(1))
		for round := 0; round < n; round++ {
			for i := random.Intn(61); i > 0; i-- {
				runtime.Gosched()
			}
			trace.Log(ctx, "begin", s.name)
			s.run(ctx)
			trace.Log(ctx, "end", s.name)
		}
	}
	trace.Stop()
	if err := file.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
