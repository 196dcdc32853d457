// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import (
	"image"
	"sync"
)

type point struct{ column, row int }

// A variant computes the whole picture and returns how many goroutines it created. Workers are started before the
// channel is filled, as in bench/mandelbrot/variants.h, which says what each variant is.
type variant struct {
	name string
	fill func(m *image.Gray, workers int) int
}

var variants = []variant{
	{"seq", createSeq},
	{"pixel", createPixel},
	{"col", createCol},
	{"workers", func(m *image.Gray, workers int) int { return createWorkers(m, workers, 0) }},
	{"workers-buffered", func(m *image.Gray, workers int) int { return createWorkers(m, workers, len(m.Pix)) }},
	{"col-workers-buffered", createColWorkers},
}

func createSeq(m *image.Gray, _ int) int {
	for column := 0; column < m.Bounds().Dx(); column++ {
		fillColumn(m, column)
	}
	return 0
}

func createPixel(m *image.Gray, _ int) int {
	size := m.Bounds().Dx()
	var wg sync.WaitGroup
	for column := 0; column < size; column++ {
		for row := 0; row < size; row++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				fillPixel(m, column, row)
			}()
		}
	}
	wg.Wait()
	return size * size
}

func createCol(m *image.Gray, _ int) int {
	size := m.Bounds().Dx()
	var wg sync.WaitGroup
	for column := 0; column < size; column++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			fillColumn(m, column)
		}()
	}
	wg.Wait()
	return size
}

func createWorkers(m *image.Gray, workers, capacity int) int {
	size := m.Bounds().Dx()
	points := make(chan point, capacity)
	var wg sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for p := range points {
				fillPixel(m, p.column, p.row)
			}
		}()
	}
	for column := 0; column < size; column++ {
		for row := 0; row < size; row++ {
			points <- point{column, row}
		}
	}
	close(points)
	wg.Wait()
	return workers
}

func createColWorkers(m *image.Gray, workers int) int {
	size := m.Bounds().Dx()
	columns := make(chan int, size)
	var wg sync.WaitGroup
	for worker := 0; worker < workers; worker++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for column := range columns {
				fillColumn(m, column)
			}
		}()
	}
	for column := 0; column < size; column++ {
		columns <- column
	}
	close(columns)
	wg.Wait()
	return workers
}
