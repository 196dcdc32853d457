// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

package main

import "image"

const (
	bailout = 1024
	rounds  = 1000
)

func norm(x, total int, min, max float64) float64 {
	return (max-min)*float64(x)/float64(total) - max
}

// pixel is the gray value at (column, row); bench/mandelbrot/kernel.cc computes the same byte. The explicit
// conversions forbid fused multiply-add where the architecture has it.
func pixel(column, row, size int) uint8 {
	xi := norm(column, size, -1.0, 2)
	yi := norm(row, size, -1, 1)
	x, y := 0., 0.
	for round := 0; float64(x*x)+float64(y*y) < bailout && round < rounds; round++ {
		x, y = float64(x*x)-float64(y*y)+xi, float64(2*x*y)+yi
	}
	return uint8(int64(x))
}

func fillPixel(m *image.Gray, column, row int) {
	m.Pix[row*m.Stride+column] = pixel(column, row, m.Bounds().Dx())
}

func fillColumn(m *image.Gray, column int) {
	for row := 0; row < m.Bounds().Dy(); row++ {
		fillPixel(m, column, row)
	}
}
