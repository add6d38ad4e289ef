package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// VersionCmd is `siprecd version`.
type VersionCmd struct{}

// Help is shown below the usage.
func (VersionCmd) Help() string {
	return `The version, the revision it was built from, the Go it was built with and the
system it is for.

  siprecd version`
}

// Run prints the module version, the revision it was built from and the Go it
// was built with.
func (VersionCmd) Run(g *Globals) error {
	fmt.Fprintln(g.out(), "siprecd", version())
	return nil
}

func version() string {
	v, revision, dirty := "devel", "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			switch {
			case s.Key == "vcs.revision":
				revision = " " + s.Value[:min(12, len(s.Value))]
			case s.Key == "vcs.modified" && s.Value == "true":
				dirty = "+changes"
			}
		}
	}
	return fmt.Sprintf("%s%s%s %s %s/%s", v, revision, dirty, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
