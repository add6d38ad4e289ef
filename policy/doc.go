// Package policy is the recording regulation as pure functions: who is
// recorded, from when, and why. It reads no clock and no file.
package policy
