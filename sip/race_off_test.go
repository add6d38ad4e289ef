//go:build !race

package sip

const unacknowledged = 300
