module creel/conformance

go 1.23
