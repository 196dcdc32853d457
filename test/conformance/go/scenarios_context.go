// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"runtime"
	"sync"
	"time"
)

func contextCancel(context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		<-ctx.Done()
	}()
	runtime.Gosched()
	cancel()
	wg.Wait()
}

func contextTree(context.Context) {
	parent, cancel := context.WithCancel(context.Background())
	child, cancelChild := context.WithTimeout(parent, time.Hour)
	defer cancelChild()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		<-child.Done()
	}()
	runtime.Gosched()
	cancel()
	wg.Wait()
}

func contextSelect(context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	c := make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for ended := false; !ended; {
			select {
			case <-c:
			case <-ctx.Done():
				ended = true
			}
		}
	}()
	runtime.Gosched()
	c <- 1
	runtime.Gosched()
	cancel()
	wg.Wait()
}

func contextAfterFunc(context.Context) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Add(1)
	context.AfterFunc(ctx, wg.Done)
	stop := context.AfterFunc(ctx, func() { panic("stopped") })
	stop()
	cancel()
	wg.Wait()
}

func timerFunc(context.Context) {
	var wg sync.WaitGroup
	wg.Add(1)
	time.AfterFunc(time.Millisecond, wg.Done)
	wg.Wait()
}
