module creel/conformance/cgo

go 1.23
