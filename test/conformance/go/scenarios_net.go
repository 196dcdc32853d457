// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"net"
	"runtime"
	"sync"
	"syscall"
	"time"
	"unsafe"
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

// A connection that is made at once, but not known to be: its maker waits. The other end is there by then.
func netConnect(context.Context) {
	client := dial(link().listener)
	server, err := link().listener.Accept()
	if err != nil {
		panic(err)
	}
	client.Close()
	server.Close()
}

// An accept that waits. The connection comes from outside: nothing of it shows in the trace.
func netAccept(context.Context) {
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		server, err := link().listener.Accept()
		if err != nil {
			panic(err)
		}
		server.Close()
	}()
	runtime.Gosched()
	port := link().listener.Addr().(*net.TCPAddr).Port
	address := syscall.RawSockaddrInet4{Family: syscall.AF_INET, Port: uint16(port>>8 | port<<8), Addr: [4]byte{127, 0, 0, 1}}
	fd, _, _ := syscall.RawSyscall(syscall.SYS_SOCKET, syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	_, _, failed := syscall.RawSyscall(syscall.SYS_CONNECT, fd, uintptr(unsafe.Pointer(&address)), unsafe.Sizeof(address))
	if failed != 0 {
		panic(failed)
	}
	wg.Wait()
	syscall.RawSyscall(syscall.SYS_CLOSE, fd, 0, 0)
}
