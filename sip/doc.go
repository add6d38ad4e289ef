// Package sip is both ends of SIPREC signalling: Server, a recording server
// (SRS), and Caller, a recording client (SRC).
package sip
