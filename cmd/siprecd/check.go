package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"

	"siprecd/cmd/siprecd/config"
)

// CheckCmd is "siprecd check".
type CheckCmd struct {
	Files  []string `arg:"" optional:"" name:"file" help:"A siprecd.toml or extensions.toml; without any: the two that serve would read."`
	Strict bool     `help:"Exit with status 3 when there are warnings."`
	JSON   bool     `help:"Print a JSON array: file, line, col, severity, code, text, hint, excerpt."`
}

// Help is shown below the usage.
func (CheckCmd) Help() string {
	return `Reads the files as serve and reload would, and prints everything that is wrong
with them at once; nothing is changed and no daemon is asked.

  extensions.toml:14:8: "selectve" is not a policy. Did you mean "selective"?
      2002 = "selectve"
             ^^^^^^^^^^

Exit status: 0 good, 1 errors, 2 usage, 3 warnings under --strict.`
}

// Run prints the problems of the files.
func (cmd *CheckCmd) Run(g *Globals) error {
	problems, summary, err := cmd.check(g)
	if err != nil {
		return err
	}
	errors, warnings := 0, 0
	for i, p := range problems {
		problems[i] = p.In(g.language())
		if p.Severity == config.Error {
			errors++
		} else {
			warnings++
		}
	}
	if cmd.JSON {
		if problems == nil {
			problems = []config.Problem{}
		}
		encoder := json.NewEncoder(g.out())
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(problems); err != nil {
			return fmt.Errorf("write the problems: %w", err)
		}
	} else {
		for _, p := range problems {
			fmt.Fprintln(g.out(), p)
		}
		switch {
		case errors+warnings > 0:
			fmt.Fprintf(g.out(), "%s, %s\n", plural(errors, "error"), plural(warnings, "warning"))
		default:
			fmt.Fprintln(g.out(), summary)
		}
	}
	switch {
	case errors > 0:
		return exitError{1}
	case warnings > 0 && cmd.Strict:
		return exitError{3}
	}
	return nil
}

// check returns the problems, and what to say when there are none.
func (cmd *CheckCmd) check(g *Globals) (problems []config.Problem, summary string, err error) {
	if len(cmd.Files) > 0 {
		for _, f := range cmd.Files {
			problems = append(problems, config.CheckFile(f)...)
		}
		return problems, "good", nil
	}
	path, err := config.Find(g.Config)
	if err != nil {
		return nil, "", err
	}
	c, problems := config.Load(path)
	if c == nil {
		return problems, "", nil
	}
	site, extensions := "no siprecd.toml: built-in defaults", "no extensions.toml"
	if c.File != "" {
		site = filepath.Clean(c.File) + ": good"
	}
	if c.Extensions != "" {
		extensions = fmt.Sprintf("%s: good, %s", filepath.Clean(c.Extensions), plural(len(c.Lines), "line"))
	}
	return problems, fmt.Sprintf("%s\n%s; all other numbers: %s", site, extensions, c.Default.Mode), nil
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
