// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"
)

// A listener and the two ends of one connection, made when they are first wanted: before the first round.
type netLink struct {
	listener net.Listener
	client   net.Conn
	server   net.Conn
}

var link = sync.OnceValue(func() netLink {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	accepted := make(chan net.Conn)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		accepted <- conn
	}()
	client := dial(listener)
	return netLink{listener, client, <-accepted}
})

func dial(listener net.Listener) net.Conn {
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	return conn
}

// A reader waits, its peer writes.
func netRead(context.Context) {
	l := link()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var room [8]byte
		l.server.Read(room[:])
	}()
	runtime.Gosched()
	l.client.Write([]byte("x"))
	wg.Wait()
}

func netEcho(context.Context) {
	l := link()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var room [8]byte
		for i := 0; i < 3; i++ {
			n, _ := l.server.Read(room[:])
			l.server.Write(room[:n])
		}
	}()
	var room [8]byte
	for i := 0; i < 3; i++ {
		l.client.Write([]byte("x"))
		l.client.Read(room[:])
	}
	wg.Wait()
}

// A read that ends at its deadline.
func netDeadline(context.Context) {
	l := link()
	l.client.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	var room [8]byte
	l.client.Read(room[:])
	l.client.SetReadDeadline(time.Time{})
}

// A deadline in the past ends the read of another goroutine.
func netDeadlineWakes(context.Context) {
	l := link()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var room [8]byte
		l.client.Read(room[:])
	}()
	runtime.Gosched()
	l.client.SetReadDeadline(time.Unix(1, 0))
	wg.Wait()
	l.client.SetReadDeadline(time.Time{})
}
