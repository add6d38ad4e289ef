// Package store keeps tapes, recordings and the catalogue on disk.
package store
