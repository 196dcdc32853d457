module creel/bench/mandelbrot

go 1.23
