// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import "C"

import (
	"sync"
	"time"
)

// By their numbers, in callback too; the same as in outside_test.cc.
var courses = []string{"receive", "twice", "create", "lock", "sleep"}

var (
	values = make(chan int)
	mutex  sync.Mutex // held by the main goroutine while a thread starts
)

//export callback
func callback(course, step C.int) {
	switch course {
	case 0, 1:
		<-values
	case 2:
		go func() { values <- 1 }()
	case 3:
		mutex.Lock()
		mutex.Unlock()
	case 4:
		time.Sleep(time.Millisecond)
	}
}

// What the main goroutine does meanwhile.
func serve(course int) {
	switch course {
	case 0:
		values <- 1
	case 1:
		values <- 1
		time.Sleep(2 * time.Millisecond)
		values <- 1
	case 2:
		<-values
	}
	mutex.Unlock()
}
