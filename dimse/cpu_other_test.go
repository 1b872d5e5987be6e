//go:build !unix

package dimse_test

func cpu() float64 { return 0 }
