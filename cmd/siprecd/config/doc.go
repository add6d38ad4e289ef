// Package config reads siprecd.toml and the extensions.toml beside it, and
// says everything that is wrong with them at once.
//
// [Load] returns a [Config], an immutable value with the compiled
// [siprecd/policy.Rules] in it, or a list of [Problem], or both when all
// problems are warnings. [Diff] tells two of them apart for people. [Find]
// knows where the files lie.
//
// extensions.toml may have a line for every extension of a city, and is edited
// by people who see TOML for the first time. It is read line by line here
// (extensions.go, line.go): a strict subset of TOML, one line an entry, each
// line judged by itself, so that one slip never hides another. siprecd.toml is
// decoded by the TOML library (site.go), again after each error with the line
// in question blanked.
//
// Nothing lives here: no goroutine, no file kept open, nothing watched.
package config
