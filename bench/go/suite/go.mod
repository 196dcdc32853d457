module creel/bench/suite

go 1.23
