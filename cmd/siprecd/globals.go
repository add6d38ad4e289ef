package main

import (
	"fmt"
	"io"
	"os"

	"siprecd/cmd/siprecd/config"
)

// Globals is what every command knows. The streams are the process's own when
// nil.
type Globals struct {
	Config string `placeholder:"FILE" help:"Read FILE instead of ./siprecd.toml or /etc/siprecd/siprecd.toml; extensions.toml lies beside it."`
	Data   string `placeholder:"DIR" help:"Data directory, instead of the configuration's."`

	Stdin  io.Reader           `kong:"-"`
	Stdout io.Writer           `kong:"-"`
	Stderr io.Writer           `kong:"-"`
	Getenv func(string) string `kong:"-"`
}

func (g *Globals) out() io.Writer {
	if g.Stdout == nil {
		return os.Stdout
	}
	return g.Stdout
}

func (g *Globals) in() io.Reader {
	if g.Stdin == nil {
		return os.Stdin
	}
	return g.Stdin
}

func (g *Globals) err() io.Writer {
	if g.Stderr == nil {
		return os.Stderr
	}
	return g.Stderr
}

// again is how the program was called: its name, with the flags that say where
// its files are.
func (g *Globals) again() (program, flags string) {
	if g.Config != "" {
		flags += " --config " + g.Config
	}
	if g.Data != "" {
		flags += " --data " + g.Data
	}
	return os.Args[0], flags
}

// language is the one that problems are told in.
func (g *Globals) language() config.Language {
	if g.Getenv == nil {
		return config.LanguageOf(os.Getenv)
	}
	return config.LanguageOf(g.Getenv)
}

// load reads the configuration. With errors in it they are printed and the
// command ends; warnings are for check.
func (g *Globals) load() (*config.Config, error) {
	path, err := config.Find(g.Config)
	if err != nil {
		return nil, err
	}
	c, problems := config.Load(path)
	if c != nil {
		return g.withData(c), nil
	}
	for _, p := range problems {
		fmt.Fprintln(g.err(), p.In(g.language()))
	}
	return nil, exitError{1}
}

// place reads where the data is, for commands that ask the daemon: what is wrong
// with extensions.toml must not keep anybody from looking.
func (g *Globals) place() (*config.Config, error) {
	path, err := config.Find(g.Config)
	if err != nil {
		return nil, err
	}
	if c, _ := config.Load(path); c != nil {
		return g.withData(c), nil
	}
	if c, _ := config.LoadFiles(path, ""); c != nil {
		return g.withData(c), nil
	}
	if c, _ := config.Load(""); c != nil && g.Data != "" {
		return g.withData(c), nil
	}
	return g.load()
}

func (g *Globals) withData(c *config.Config) *config.Config {
	if g.Data != "" {
		c.Data.Dir = g.Data
	}
	return c
}

// exitError ends a command that has already said why, with an exit status:
// 1 error, 2 usage, 3 warnings under --strict.
type exitError struct{ code int }

func (e exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }
