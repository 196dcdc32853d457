// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import "sync"

var channelBenchmarks = []benchmark{
	{"pingpong", "ns/round trip", pingPong},
	{"chan_cap1_1to1", "ns/item", func(r *run) { stream(r, 1, 1, 2_000_000) }},
	{"chan_cap128_1to1", "ns/item", func(r *run) { stream(r, 128, 1, 10_000_000) }},
	{"chan_cap128_4to4", "ns/item", func(r *run) { stream(r, 128, 4, 10_000_000) }},
	{"select4_cap0", "ns/item", func(r *run) { selectOverFour(r, 0) }},
	{"select4_cap128", "ns/item", func(r *run) { selectOverFour(r, 128) }},
}

func pingPong(r *run) {
	trips := r.count(1_000_000, 1)
	ping, pong := make(chan int32), make(chan int32)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		for value := range ping {
			pong <- value
		}
		wg.Done()
	}()
	r.measure(trips, func() {
		for range trips {
			ping <- 1
			<-pong
		}
	})
	close(ping)
	wg.Wait()
}

func stream(r *run, capacity, pairs, full int) {
	items := r.count(full, pairs)
	received := 0
	r.measure(items, func() {
		channel := make(chan int32, capacity)
		var senders, receivers sync.WaitGroup
		var mutex sync.Mutex
		for range pairs {
			receivers.Add(1)
			go func() {
				mine := 0
				for range channel {
					mine++
				}
				mutex.Lock()
				received += mine
				mutex.Unlock()
				receivers.Done()
			}()
			senders.Add(1)
			go func() {
				for k := range items / pairs {
					channel <- int32(k)
				}
				senders.Done()
			}()
		}
		senders.Wait()
		close(channel)
		receivers.Wait()
	})
	if received != items {
		panic("items were lost")
	}
}

func selectOverFour(r *run, capacity int) {
	items := r.count(1_000_000, 4)
	sum := 0
	r.measure(items, func() {
		var channels [4]chan int32
		var senders sync.WaitGroup
		for i := range channels {
			channels[i] = make(chan int32, capacity)
		}
		for _, channel := range channels {
			senders.Add(1)
			go func() {
				for range items / 4 {
					channel <- 1
				}
				senders.Done()
			}()
		}
		for range items {
			select {
			case value := <-channels[0]:
				sum += int(value)
			case value := <-channels[1]:
				sum += int(value)
			case value := <-channels[2]:
				sum += int(value)
			case value := <-channels[3]:
				sum += int(value)
			}
		}
		senders.Wait()
	})
	if sum != items {
		panic("items were lost")
	}
}
