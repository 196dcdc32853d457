// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"runtime"
	"runtime/trace"
	"sync"
	"syscall"
	"time"
)

// Each scenario joins all it starts, so that nothing reaches into the next. Its twin is in ../scenarios_*.cc.
var scenarios = []scenario{
	{"chan_receiver_first", chanReceiverFirst, false},
	{"chan_sender_first", chanSenderFirst, false},
	{"chan_ping_pong", chanPingPong, false},
	{"chan_buffered_full", chanBufferedFull, false},
	{"chan_buffered_empty", chanBufferedEmpty, false},
	{"chan_close_wakes_receivers", chanCloseWakesReceivers, false},
	{"chan_close_wakes_senders", chanCloseWakesSenders, false},
	{"chan_fifo_receivers", chanFifoReceivers, false},
	{"chan_pipeline", chanPipeline, false},
	{"select_receive", selectReceive, false},
	{"select_send", selectSend, false},
	{"select_default", selectDefault, false},
	{"select_ready", selectReady, false},
	{"select_close", selectClose, false},
	{"select_timeout", selectTimeout, false},
	{"select_meets_select", selectMeetsSelect, false},
	{"select_forever", selectForever, false},
	{"mutex_contended", mutexContended, false},
	{"mutex_starved", mutexStarved, false},
	{"rwmutex_writer_waits", rwmutexWriterWaits, false},
	{"rwmutex_readers_wait", rwmutexReadersWait, false},
	{"rwmutex_writer_goes_first", rwmutexWriterGoesFirst, false},
	{"cond_signal", condSignal, false},
	{"cond_broadcast", condBroadcast, false},
	{"once_waits", onceWaits, false},
	{"wait_group", waitGroup, false},
	{"wait_group_waiters", waitGroupWaiters, false},
	{"context_cancel", contextCancel, false},
	{"context_tree", contextTree, false},
	{"context_select", contextSelect, false},
	{"context_after_func", contextAfterFunc, false},
	{"timer_func", timerFunc, false},
	{"sleep", sleepOne, false},
	{"sleep_order", sleepOrder, false},
	{"yield", yield, false},
	{"yield_alone", yieldAlone, false},
	{"spawn_tree", spawnTree, false},
	{"spawn_overflow", spawnOverflow, false},
	{"syscall_short", syscallShort, false},
	{"syscall_long", syscallLong, true},
	{"syscall_hands_off", syscallHandsOff, true},
	{"set_procs", setProcs, false},
	{"annotations", annotations, false},
	{"preempt_loop", preemptLoop, true},
	{"net_read", netRead, false},
	{"net_echo", netEcho, false},
	{"net_deadline", netDeadline, false},
	{"net_deadline_wakes", netDeadlineWakes, false},
	{"net_connect", netConnect, false},
	{"net_accept", netAccept, false},
	{"pipe_read", pipeRead, false},
	{"pipe_echo", pipeEcho, false},
	{"pipe_deadline", pipeDeadline, false},
	{"file_write_read", fileWriteRead, false},
}

func chanReceiverFirst(context.Context) {
	c := make(chan int)
	done := make(chan bool)
	go func() {
		<-c
		done <- true
	}()
	runtime.Gosched()
	c <- 1
	<-done
}

func chanSenderFirst(context.Context) {
	c := make(chan int)
	done := make(chan bool)
	go func() {
		c <- 1
		done <- true
	}()
	runtime.Gosched()
	<-c
	<-done
}

func chanPingPong(context.Context) {
	ping := make(chan int)
	pong := make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; i < 4; i++ {
			pong <- <-ping
		}
	}()
	for i := 0; i < 4; i++ {
		ping <- i
		<-pong
	}
	wg.Wait()
}

func chanBufferedFull(context.Context) {
	c := make(chan int, 2)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; i < 5; i++ {
			c <- i
		}
		close(c)
	}()
	runtime.Gosched()
	for range c {
	}
	wg.Wait()
}

func chanBufferedEmpty(context.Context) {
	c := make(chan int, 8)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for range c {
		}
	}()
	runtime.Gosched()
	for i := 0; i < 3; i++ {
		c <- i
	}
	runtime.Gosched()
	close(c)
	wg.Wait()
}

func chanCloseWakesReceivers(context.Context) {
	c := make(chan int)
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-c
		}()
	}
	runtime.Gosched()
	close(c)
	wg.Wait()
}

func chanCloseWakesSenders(context.Context) {
	c := make(chan int)
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			defer func() { recover() }()
			c <- i
		}()
	}
	runtime.Gosched()
	close(c)
	wg.Wait()
}

func chanFifoReceivers(context.Context) {
	c := make(chan int)
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			<-c
		}()
	}
	runtime.Gosched()
	for i := 0; i < 3; i++ {
		c <- i
	}
	wg.Wait()
}

func chanPipeline(context.Context) {
	a := make(chan int)
	b := make(chan int)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		for i := 0; i < 5; i++ {
			a <- i
		}
		close(a)
	}()
	go func() {
		defer wg.Done()
		for i := range a {
			b <- i
		}
		close(b)
	}()
	for range b {
	}
	wg.Wait()
}

func selectReceive(context.Context) {
	a := make(chan int)
	b := make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; i < 2; i++ {
			select {
			case <-a:
			case <-b:
			}
		}
	}()
	runtime.Gosched()
	b <- 1
	runtime.Gosched()
	a <- 2
	wg.Wait()
}

func selectSend(context.Context) {
	a := make(chan int)
	b := make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		for i := 0; i < 2; i++ {
			select {
			case a <- 1:
			case b <- 2:
			}
		}
	}()
	runtime.Gosched()
	<-b
	runtime.Gosched()
	<-a
	wg.Wait()
}

func selectDefault(context.Context) {
	c := make(chan int)
	select {
	case <-c:
	default:
	}
}

func selectReady(context.Context) {
	a := make(chan int, 1)
	b := make(chan int, 1)
	a <- 1
	b <- 2
	for i := 0; i < 2; i++ {
		select {
		case <-a:
		case <-b:
		}
	}
}

func selectClose(context.Context) {
	a := make(chan int)
	b := make(chan int)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		select {
		case <-a:
		case <-b:
		}
	}()
	runtime.Gosched()
	close(a)
	wg.Wait()
}

func selectTimeout(context.Context) {
	c := make(chan int)
	select {
	case <-c:
	case <-time.After(2 * time.Millisecond):
	}
}

func selectMeetsSelect(context.Context) {
	a := make(chan int)
	b := make(chan int)
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		select {
		case a <- 1:
		case <-b:
		}
	}()
	go func() {
		defer wg.Done()
		select {
		case <-a:
		case b <- 2:
		}
	}()
	wg.Wait()
}

func selectForever(context.Context) {
	go func() {
		select {}
	}()
	runtime.Gosched()
}

func mutexContended(context.Context) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	mu.Lock()
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.Lock()
			mu.Unlock()
		}()
	}
	runtime.Gosched()
	mu.Unlock()
	wg.Wait()
}

// A waiter that waited more than a millisecond and lost a race makes the mutex starved: unlocking hands it over.
func mutexStarved(context.Context) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	mu.Lock()
	wg.Add(1)
	go func() {
		defer wg.Done()
		mu.Lock()
		mu.Unlock()
	}()
	runtime.Gosched()
	time.Sleep(3 * time.Millisecond)
	mu.Unlock()
	mu.Lock()
	runtime.Gosched()
	mu.Unlock()
	wg.Wait()
}

func rwmutexWriterWaits(context.Context) {
	var mu sync.RWMutex
	var wg sync.WaitGroup
	mu.RLock()
	wg.Add(1)
	go func() {
		defer wg.Done()
		mu.Lock()
		mu.Unlock()
	}()
	runtime.Gosched()
	mu.RUnlock()
	wg.Wait()
}

func rwmutexReadersWait(context.Context) {
	var mu sync.RWMutex
	var wg sync.WaitGroup
	mu.Lock()
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.RLock()
			mu.RUnlock()
		}()
	}
	runtime.Gosched()
	mu.Unlock()
	wg.Wait()
}

// A writer that waits keeps later readers out.
func rwmutexWriterGoesFirst(context.Context) {
	var mu sync.RWMutex
	var wg sync.WaitGroup
	mu.RLock()
	wg.Add(1)
	go func() {
		defer wg.Done()
		mu.Lock()
		mu.Unlock()
	}()
	runtime.Gosched()
	wg.Add(1)
	go func() {
		defer wg.Done()
		mu.RLock()
		mu.RUnlock()
	}()
	runtime.Gosched()
	mu.RUnlock()
	wg.Wait()
}

func condSignal(context.Context) {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	ready := 0
	var wg sync.WaitGroup
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.Lock()
			for ready == 0 {
				cond.Wait()
			}
			ready--
			mu.Unlock()
		}()
	}
	runtime.Gosched()
	for i := 0; i < 2; i++ {
		mu.Lock()
		ready++
		mu.Unlock()
		cond.Signal()
		runtime.Gosched()
	}
	wg.Wait()
}

func condBroadcast(context.Context) {
	var mu sync.Mutex
	cond := sync.NewCond(&mu)
	ready := false
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			mu.Lock()
			for !ready {
				cond.Wait()
			}
			mu.Unlock()
		}()
	}
	runtime.Gosched()
	mu.Lock()
	ready = true
	mu.Unlock()
	cond.Broadcast()
	wg.Wait()
}

func onceWaits(context.Context) {
	var once sync.Once
	var wg sync.WaitGroup
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			once.Do(func() { time.Sleep(time.Millisecond) })
		}()
	}
	wg.Wait()
}

func waitGroup(context.Context) {
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
		}()
	}
	wg.Wait()
}

func waitGroupWaiters(context.Context) {
	var gate, wg sync.WaitGroup
	gate.Add(1)
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			gate.Wait()
		}()
	}
	runtime.Gosched()
	gate.Done()
	wg.Wait()
}

func sleepOne(context.Context) { time.Sleep(time.Millisecond) }

func sleepOrder(context.Context) {
	var wg sync.WaitGroup
	for i := 1; i <= 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			time.Sleep(time.Duration(4-i) * 2 * time.Millisecond)
		}()
	}
	wg.Wait()
}

func yield(context.Context) {
	var wg sync.WaitGroup
	for i := 0; i < 3; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			runtime.Gosched()
			runtime.Gosched()
		}()
	}
	wg.Wait()
}

func yieldAlone(context.Context) {
	runtime.Gosched()
	runtime.Gosched()
}

func spawnTree(context.Context) {
	var wg sync.WaitGroup
	var spawn func(depth int)
	spawn = func(depth int) {
		if depth == 0 {
			return
		}
		for i := 0; i < 2; i++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				spawn(depth - 1)
			}()
		}
	}
	spawn(3)
	wg.Wait()
}

// More than a local run queue holds.
func spawnOverflow(context.Context) {
	var wg sync.WaitGroup
	for i := 0; i < 300; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
		}()
	}
	wg.Wait()
}

func syscallShort(context.Context) {
	var one [1]byte
	for i := 0; i < 3; i++ {
		syscall.Read(zeroFd, one[:])
	}
}

// Long enough for the monitor to take the processor away, with somebody else to run on it.
func syscallLong(context.Context) {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		ts := syscall.NsecToTimespec(200_000_000)
		syscall.Nanosleep(&ts, nil)
	}()
	wg.Wait()
}

// The processor of a goroutine in a long call runs the other one meanwhile.
func syscallHandsOff(context.Context) {
	var wg sync.WaitGroup
	wg.Add(2)
	go func() {
		defer wg.Done()
		runtime.Gosched()
	}()
	go func() {
		defer wg.Done()
		ts := syscall.NsecToTimespec(200_000_000)
		syscall.Nanosleep(&ts, nil)
	}()
	wg.Wait()
}

// Nobody is stopped, or moved, by more and fewer processors.
func setProcs(context.Context) {
	runtime.GOMAXPROCS(3)
	runtime.GOMAXPROCS(1)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		runtime.Gosched()
	}()
	wg.Wait()
}

func annotations(ctx context.Context) {
	outer, task := trace.NewTask(ctx, "outer")
	trace.WithRegion(outer, "region", func() {
		trace.Log(outer, "category", "message")
		inner, child := trace.NewTask(outer, "inner")
		region := trace.StartRegion(inner, "nested")
		trace.Log(inner, "weird", "quote \" newline \n tab \t umlaut \u00fc")
		region.End()
		child.End()
	})
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		trace.WithRegion(outer, "other goroutine", func() { runtime.Gosched() })
		task.End()
	}()
	wg.Wait()
}

var sink uint64

func preemptLoop(context.Context) {
	var wg sync.WaitGroup
	for i := 0; i < 2; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			end := time.Now().Add(120 * time.Millisecond)
			sum := uint64(0)
			for time.Now().Before(end) {
				for k := uint64(0); k < 100_000; k++ {
					sum += k ^ sum<<1
				}
			}
			sink += sum
		}()
	}
	wg.Wait()
}

var zeroFd = func() int {
	fd, err := syscall.Open("/dev/zero", syscall.O_RDONLY, 0)
	if err != nil {
		panic(err)
	}
	return fd
}()
