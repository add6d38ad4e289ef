package config

import _ "embed"

// SampleSite is a siprecd.toml with every key explained, in two languages.
//
//go:embed sample/siprecd.toml
var SampleSite string

// SampleExtensions is an extensions.toml with one line of every kind.
//
//go:embed sample/extensions.toml
var SampleExtensions string
