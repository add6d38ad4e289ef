package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// house says what each folder may import of our own; a folder stands for all
// below it unless a longer one is listed. The four leaves know nobody.
var house = map[string][]string{
	"sip":                  {"sip/rsmeta"},
	"sip/rsmeta":           {},
	"media":                {},
	"store":                {},
	"store/storetest":      {"store"},
	"policy":               {},
	"cmd/siprecd/config":   {"policy"},
	"cmd/siprecd/recorder": {"sip", "sip/rsmeta", "media", "store", "policy"},
	"cmd/siprecd/place":    {"sip", "sip/rsmeta", "media"},
	"cmd/siprecd/witness":  {"store"},
	"cmd/siprecd/replay":   {"sip", "sip/rsmeta", "media", "store", "policy", "cmd/siprecd/recorder", "cmd/siprecd/place"},
	"cmd/siprecd": {"sip", "sip/rsmeta", "media", "store", "policy",
		"cmd/siprecd/config", "cmd/siprecd/recorder", "cmd/siprecd/place", "cmd/siprecd/replay", "cmd/siprecd/witness"},
}

// guests says in which folders a third party's module may be imported, and why
// there.
var guests = []struct{ module, folder, reason string }{
	{"github.com/icholy/digest", "sip", "digest credentials"},
	{"github.com/pion/rtp", "media", "RTP headers with extensions"},
	{"github.com/pion/opus", "media", "decodes Opus; pure Go"},
	{"github.com/pion/dtls/v3", "media", "keys of encrypted media by DTLS"},
	{"github.com/pion/logging", "media", "keeps the DTLS library silent"},
	{"github.com/hajimehoshi/go-mp3", "media", "MP3 as a source of calls we place"},
	{"github.com/mewkiz/flac", "media", "recordings that are not G.711"},
	{"golang.org/x/sys", "media", "recvmmsg and kernel timestamps"},
	{"golang.org/x/sys", "store", "syncfs, flock"},
	{"go.etcd.io/bbolt", "store", "the catalogue"},
	{"github.com/oklog/ulid/v2", "store", "recording ids"},
	{"filippo.io/age", "store", "sealing to the keys of days and custodians"},
	{"golang.org/x/mod", "store", "the ledger's tree and its signed notes"},
	{"github.com/gopacket/gopacket", "cmd/siprecd/replay", "capture files"},
	{"github.com/pelletier/go-toml/v2", "cmd/siprecd/config", "TOML"},
	{"golang.org/x/text", "cmd/siprecd/config", "CP949 comments explained"},
	{"golang.org/x/text", "cmd/siprecd", "how wide a character is on a terminal"},
	{"golang.org/x/text", "sip/rsmeta", "names in EUC-KR, as exchanges in Korea write them"},
	{"golang.org/x/sys", "cmd/siprecd", "whether a time server disciplines the clock"},
	{"golang.org/x/term", "cmd/siprecd", "passphrases that are not shown"},
	{"github.com/alecthomas/kong", "cmd/siprecd", "the command line"},
}

func TestArrows(t *testing.T) {
	used := make(map[int]bool)
	walkImports(t, "../..", func(dir, file, imported string, test bool) {
		if own, ok := strings.CutPrefix(imported, "siprecd/"); ok {
			if !test && !mayImport(dir, own) {
				t.Errorf("%s: %s must not import %s", file, dir, own)
			}
			// A leaf's tests keep to the leaf as well.
			if test && isLeaf(dir) && !isBelow(own, leafOf(dir)) {
				t.Errorf("%s: a test of the leaf %s imports %s", file, dir, own)
			}
			return
		}
		first, _, _ := strings.Cut(imported, "/")
		if test || !strings.Contains(first, ".") {
			return
		}
		welcome := false
		for i, g := range guests {
			if isBelow(imported, g.module) && isBelow(dir, g.folder) {
				welcome, used[i] = true, true
			}
		}
		if !welcome {
			t.Errorf("%s: %s must not import %s: no row in guests", file, dir, imported)
		}
	})
	for i, g := range guests {
		if !used[i] {
			t.Errorf("guests: nothing in %s imports %s any more", g.folder, g.module)
		}
	}
	for folder := range house {
		if leafOf(folder) != "" && len(house[folder]) > 1 {
			t.Errorf("house: the leaf %s knows %v", folder, house[folder])
		}
	}
}

// TestNames keeps away the folders and files whose names say nothing.
func TestNames(t *testing.T) {
	grey := []string{"util", "utils", "common", "helper", "helpers", "manager", "core", "types", "models", "misc", "base"}
	walkImports(t, "../..", func(dir, file, _ string, _ bool) {
		for _, part := range append(strings.Split(dir, "/"), strings.TrimSuffix(path.Base(file), ".go")) {
			for _, g := range grey {
				if part == g {
					t.Errorf("%s: the name %q says nothing", file, part)
				}
			}
		}
	})
}

func mayImport(dir, own string) bool {
	for folder := dir; folder != "."; folder = path.Dir(folder) {
		if allowed, ok := house[folder]; ok {
			for _, a := range allowed {
				if own == a || folder == own {
					return true
				}
			}
			return own == folder
		}
	}
	return false
}

func isLeaf(dir string) bool { return leafOf(dir) != "" }

func leafOf(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	switch first {
	case "sip", "media", "store", "policy":
		return first
	}
	return ""
}

func isBelow(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

func walkImports(t *testing.T, root string, visit func(dir, file, imported string, test bool)) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "testdata") && p != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		files++
		f, err := parser.ParseFile(token.NewFileSet(), p, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		for _, i := range f.Imports {
			name, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			visit(path.Dir(rel), rel, name, strings.HasSuffix(p, "_test.go"))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 20 {
		t.Fatalf("only %d Go files under %s: the walk is wrong", files, root)
	}
}
