// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

var skynetBenchmarks = []benchmark{{"skynet", "ms", func(r *run) {
	most := r.count(1_000_000, 1)
	leaves := 10
	for leaves*10 <= most {
		leaves *= 10
	}
	sum := 0
	r.measure(leaves, func() {
		root := make(chan int)
		go node(root, 0, leaves)
		sum = <-root
	})
	if sum != leaves*(leaves-1)/2 {
		panic("wrong sum")
	}
	r.value = milliseconds(r.wall)
}}}

func node(parent chan int, number, size int) {
	if size == 1 {
		parent <- number
		return
	}
	children := make(chan int)
	for i := range 10 {
		go node(children, number+i*(size/10), size/10)
	}
	sum := 0
	for range 10 {
		sum += <-children
	}
	parent <- sum
}
