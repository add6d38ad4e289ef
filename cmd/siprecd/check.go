package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"siprecd/cmd/siprecd/config"
)

// CheckCmd is "siprecd check".
type CheckCmd struct {
	Files  []string `arg:"" optional:"" name:"file" help:"A siprecd.toml, an extensions.toml or a folder of the two; without any: those that serve would read."`
	Strict bool     `help:"Exit with status 3 when there are warnings."`
	JSON   bool     `help:"Print a JSON array: file, line, col, severity, code, text, hint, excerpt."`
}

// Help is shown below the usage.
func (CheckCmd) Help() string {
	return `Reads the files as serve and reload would, and prints everything that is wrong
with them at once; nothing is changed and no daemon is asked.

  siprecd check                         the files that serve would read
  siprecd check /etc/siprecd new.toml   a folder, or files by name
  siprecd check && siprecd reload

  extensions.toml:14:8: "selectve" is not a policy. Did you mean "selective"?
      2002 = "selectve"
             ^^^^^^^^^^

A note tells which line wins where two match one number. Exceptions from a range
are what exact lines are for, so that notes are no warnings.

Exit status: 0 good, 1 errors, 2 usage, 3 warnings under --strict.`
}

// Run prints the problems of the files, notes last.
func (cmd *CheckCmd) Run(g *Globals) error {
	problems, good, err := cmd.check(g)
	if err != nil {
		return err
	}
	count := make(map[config.Severity]int)
	for i, p := range problems {
		problems[i] = p.In(g.language())
		count[p.Severity]++
	}
	if cmd.JSON {
		err = printJSON(g.out(), append([]config.Problem{}, problems...))
	} else {
		err = printProblems(g.out(), problems, count, good)
	}
	switch {
	case err != nil:
		return err
	case count[config.Error] > 0:
		return exitError{1}
	case count[config.Warning] > 0 && cmd.Strict:
		return exitError{3}
	}
	return nil
}

func printProblems(w io.Writer, problems []config.Problem, count map[config.Severity]int, good []string) error {
	slices.SortStableFunc(problems, func(a, b config.Problem) int {
		return cmp.Compare(a.Severity/config.Note, b.Severity/config.Note)
	})
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintln(&b, p)
	}
	for _, line := range good {
		fmt.Fprintln(&b, line)
	}
	if count[config.Error]+count[config.Warning] > 0 {
		fmt.Fprintf(&b, "%s, %s\n", plural(count[config.Error], "error"), plural(count[config.Warning], "warning"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// check returns the problems, and what to say of files that can be used.
func (cmd *CheckCmd) check(g *Globals) (problems []config.Problem, good []string, err error) {
	for _, f := range cmd.Files {
		if info, err := os.Stat(f); err == nil && info.IsDir() {
			found, lines := checkBoth(filepath.Join(f, "siprecd.toml"))
			problems, good = append(problems, found...), append(good, lines...)
			continue
		}
		found := config.CheckFile(f)
		problems = append(problems, found...)
		if !slices.ContainsFunc(found, func(p config.Problem) bool { return p.Severity == config.Error }) {
			good = append(good, filepath.Clean(f)+": good")
		}
	}
	if len(cmd.Files) > 0 {
		return problems, good, nil
	}
	path, err := config.Find(g.Config)
	if err != nil {
		return nil, nil, err
	}
	problems, good = checkBoth(path)
	return problems, good, nil
}

// checkBoth checks a siprecd.toml and the extensions.toml beside it.
func checkBoth(path string) (problems []config.Problem, good []string) {
	c, problems := config.Load(path)
	if c == nil {
		return problems, nil
	}
	site, extensions := "no siprecd.toml: built-in defaults", "no extensions.toml"
	if c.File != "" {
		site = filepath.Clean(c.File) + ": good"
	}
	if c.Extensions != "" {
		extensions = fmt.Sprintf("%s: good, %s", filepath.Clean(c.Extensions), plural(len(c.Lines), "line"))
	}
	return problems, []string{site, fmt.Sprintf("%s; all other numbers: %s", extensions, c.Default.Mode)}
}

// printJSON writes v as every command with --json does.
func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
