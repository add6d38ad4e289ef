// Package e2e tests the built siprecd against outside programs: SIPp as an
// SRC, ffmpeg as one that encrypts, tshark and sox as readers of what it wrote,
// ffmpeg, sox, opusenc and the libraries of testdata/coder.c as encoders. Its tests
// have the build tag e2e and are run by `make e2e`, which installs the programs.
package e2e
