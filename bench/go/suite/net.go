// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

var netBenchmarks = []benchmark{
	{"tcp_accept", "ns/connection", acceptServer},
	{"tcp_echo_1", "ns/request", func(r *run) { echoServer(r, 1, r.count(100_000, 1)) }},
	{"tcp_echo_1000", "ns/request", func(r *run) { echoServer(r, 1000, r.count(500_000, 1)) }},
	{"tcp_echo_64", "ns/request", func(r *run) { echoServer(r, 64, r.count(500_000, 1)) }},
	{"tcp_held", "bytes/connection", heldConnections},
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// underLoad measures this process while bench_load ($CREEL_BENCH_LOAD) sends requests. beforeEnd is called while the
// connections are still there.
func underLoad(r *run, mode string, listener net.Listener, connections, total int, beforeEnd func()) {
	program := os.Getenv("CREEL_BENCH_LOAD")
	if program == "" {
		panic("CREEL_BENCH_LOAD is not set: give the path of bench_load")
	}
	load := exec.Command(program, "--mode="+mode, fmt.Sprintf("--port=%d", listener.Addr().(*net.TCPAddr).Port),
		fmt.Sprintf("--connections=%d", connections), fmt.Sprintf("--requests=%d", total))
	load.Stderr = os.Stderr
	input, err := load.StdinPipe()
	check(err)
	output, err := load.StdoutPipe()
	check(err)
	check(load.Start())
	lines := bufio.NewReader(output)
	if text, err := lines.ReadString('\n'); err != nil || text != "ready\n" {
		panic("the load generator says " + text)
	}
	var result string
	r.measure(total, func() {
		_, err := input.Write([]byte("\n"))
		check(err)
		result, err = lines.ReadString('\n')
		check(err)
	})
	wall, err := strconv.Atoi(strings.TrimSpace(result))
	check(err)
	r.value = float64(wall) / float64(total)
	r.metrics["cpu_ns"] = float64(r.cpu/time.Nanosecond) / float64(total)
	beforeEnd()
	check(input.Close())
	check(load.Wait())
}

func echo(connection net.Conn) {
	defer connection.Close()
	room := make([]byte, 1024)
	for {
		got, err := connection.Read(room)
		if err != nil {
			return
		}
		if _, err = connection.Write(room[:got]); err != nil {
			return
		}
	}
}

func echoServer(r *run, connections, total int) { echoUntil(r, connections, total, func() {}) }

func heldConnections(r *run) {
	connections := r.count(10_000, 1)
	before, after := residentBytes(), 0
	echoUntil(r, connections, 10*connections, func() { after = residentBytes() })
	r.value = float64(after-before) / float64(connections)
}

func echoUntil(r *run, connections, total int, beforeEnd func()) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	var wg sync.WaitGroup
	wg.Add(1 + connections)
	go func() {
		for range connections {
			connection, err := listener.Accept()
			check(err)
			go func() {
				echo(connection)
				wg.Done()
			}()
		}
		wg.Done()
	}()
	underLoad(r, "echo", listener, connections, total, beforeEnd)
	wg.Wait()
}

func acceptServer(r *run) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				wg.Done()
				return
			}
			wg.Add(1)
			go func() {
				connection.Close()
				wg.Done()
			}()
		}
	}()
	underLoad(r, "accept", listener, 16, r.count(100_000, 1), func() {})
	check(listener.Close())
	wg.Wait()
}
