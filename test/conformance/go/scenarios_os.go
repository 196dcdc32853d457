// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"os"
	"runtime"
	"sync"
	"time"
)

// Two pipes and a file, made when they are first wanted: before the first round.
type osFiles struct {
	there, back [2]*os.File // reader, writer
	file        *os.File
}

var files = sync.OnceValue(func() osFiles {
	var f osFiles
	for _, pipe := range []*[2]*os.File{&f.there, &f.back} {
		reader, writer, err := os.Pipe()
		if err != nil {
			panic(err)
		}
		*pipe = [2]*os.File{reader, writer}
	}
	file, err := os.CreateTemp("", "creel-conformance-")
	if err != nil {
		panic(err)
	}
	os.Remove(file.Name())
	f.file = file
	return f
})

// A reader waits, somebody writes.
func pipeRead(context.Context) {
	f := files()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var room [8]byte
		f.there[0].Read(room[:])
	}()
	runtime.Gosched()
	f.there[1].Write([]byte("x"))
	wg.Wait()
}

func pipeEcho(context.Context) {
	f := files()
	var wg sync.WaitGroup
	wg.Add(1)
	go func() {
		defer wg.Done()
		var room [8]byte
		for i := 0; i < 3; i++ {
			n, _ := f.there[0].Read(room[:])
			f.back[1].Write(room[:n])
		}
	}()
	var room [8]byte
	for i := 0; i < 3; i++ {
		f.there[1].Write([]byte("x"))
		f.back[0].Read(room[:])
	}
	wg.Wait()
}

// A read that ends at its deadline.
func pipeDeadline(context.Context) {
	f := files()
	f.back[0].SetReadDeadline(time.Now().Add(2 * time.Millisecond))
	var room [8]byte
	f.back[0].Read(room[:])
	f.back[0].SetReadDeadline(time.Time{})
}

// What the poller does not serve.
func fileWriteRead(context.Context) {
	f := files()
	var room [8]byte
	f.file.WriteAt([]byte("abcdefgh"), 0)
	f.file.ReadAt(room[:], 0)
	f.file.Seek(4, 0)
	f.file.Read(room[:])
	f.file.Read(room[:])
}
