package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"siprecd/cmd/siprecd/config"
)

// TestReadmeFilesAreGood checks the two files that the README shows.
func TestReadmeFilesAreGood(t *testing.T) {
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(readme(t), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d files in the README", len(blocks))
	}
	dir := t.TempDir()
	for i, name := range []string{"siprecd.toml", "extensions.toml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(blocks[i][1]), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, problems := config.Load(filepath.Join(dir, "siprecd.toml")); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}

// TestReadmeCommandsExist parses every command line of the README.
func TestReadmeCommandsExist(t *testing.T) {
	lines := regexp.MustCompile("(?m)(?:^    |`)(?:bin/)?siprecd (.*?)(?: +#.*|`.*)?$").FindAllStringSubmatch(readme(t), -1)
	known := 0
	for _, line := range lines {
		args := strings.Fields(strings.ReplaceAll(line[1], "'", ""))
		if len(args) == 0 || strings.HasPrefix(args[0], "#") || args[len(args)-1] == "--help" {
			continue
		}
		parser, err := kong.New(&commands{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Errorf("siprecd %s: %v", line[1], err)
		}
		known++
	}
	if known < 8 {
		t.Errorf("only %d command lines found", known)
	}
}

// TestReadmeFoldersExist looks for every folder of the map.
func TestReadmeFoldersExist(t *testing.T) {
	_, text, _ := strings.Cut(readme(t), "## Map")
	text, _, _ = strings.Cut(text, "##")
	for _, m := range regexp.MustCompile(`(?m)^ {4}(?: [├└]─ )?([a-z/]+) +\S|── ([a-z/]+)  `).FindAllStringSubmatch(text, -1) {
		if info, err := os.Stat(filepath.Join("../..", m[1]+m[2])); err != nil || !info.IsDir() {
			t.Errorf("%s: no such folder", m[1]+m[2])
		}
	}
	for _, m := range regexp.MustCompile("`([a-z/]+/[a-z]+\\.go)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
			t.Error(err)
		}
	}
}

func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
