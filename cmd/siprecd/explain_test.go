package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"siprecd/cmd/siprecd/config"
)

// runLine runs check or explain as from a shell, in a folder with the given files,
// and returns what it prints and its exit status.
func runLine(t *testing.T, files map[string]string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range files {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, err bytes.Buffer
	var line struct {
		Globals
		Check   CheckCmd   `cmd:""`
		Explain ExplainCmd `cmd:""`
	}
	line.Stdout, line.Stderr = &out, &err
	line.Getenv = func(name string) string { return map[string]string{"LANG": "C"}[name] }
	parser, failure := kong.New(&line)
	if failure != nil {
		t.Fatal(failure)
	}
	parsed, failure := parser.Parse(args)
	if failure != nil {
		return "", failure.Error(), 2
	}
	failure = parsed.Run(&line.Globals)
	var exit exitError
	switch {
	case errors.As(failure, &exit):
		status = exit.code
	case failure != nil:
		err.WriteString(failure.Error())
		status = 1
	}
	return out.String(), err.String(), status
}

var exampleFiles = map[string]string{
	"extensions.toml": `[default]
policy = "off"
[extensions]
2001 = "full"
2002 = "selective"   # 민원실
2000-2999 = "off"
"0318036*" = { policy = "selective", start = "*7", stop = "*8" }
`}

func TestExplain(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"2001", `full
2001 is full by extensions.toml:4
    extensions.toml:4: 2001 = "full"
matches too, less exact:
    extensions.toml:6: 2000-2999 = "off"
`},
		{"2002 --from 0105550101", `selective, from *1 to *2
2002 is selective by extensions.toml:5
    extensions.toml:5: 2002 = "selective"   # 민원실
extension 2002, other side 0105550101, direction in
matches too, less exact:
    extensions.toml:6: 2000-2999 = "off"
`},
		{"2003 --to sip:2002@pbx.example", `selective, from *1 to *2
2002 is selective by extensions.toml:5; stricter than 2003, which is off by extensions.toml:6
    extensions.toml:5: 2002 = "selective"   # 민원실
extension 2002, other side 2003, direction internal
matches too, less exact:
    extensions.toml:6: 2000-2999 = "off"
`},
		{"+82-31-803-6200", `selective, from *7 to *8
0318036200 is selective by extensions.toml:7 (0318036*)
    extensions.toml:7: "0318036*" = { policy = "selective", start = "*7", stop = "*8" }
`},
		{"5000", `off
no line names 5000: off by [default] (extensions.toml:2)
    extensions.toml:2: policy = "off"
`},
	} {
		out, stderr, status := runLine(t, exampleFiles, append([]string{"explain"}, strings.Fields(c.args)...)...)
		if out != c.want || stderr != "" || status != 0 {
			t.Errorf("explain %s: status %d\n%s%s\nwant\n%s", c.args, status, out, stderr, c.want)
		}
	}
}

func TestExplainOutsider(t *testing.T) {
	files := map[string]string{"siprecd.toml": "[site]\nnumbers = [\"2000-2999\"]\n"}
	out, _, status := runLine(t, files, "explain", "5000")
	if status != 0 || out != "off\nno party of this call is one of the [site] numbers\n" {
		t.Errorf("%d %s", status, out)
	}
}

func TestExplainJSON(t *testing.T) {
	out, _, status := runLine(t, exampleFiles, "explain", "2002", "--from", "0105550101", "--json")
	var got explanation
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 {
		t.Fatal(err, status)
	}
	if got.Policy != "selective" || got.DecidedBy != "extensions.toml:5" || got.Direction != "in" || got.Start != "*1" || len(got.Also) != 1 {
		t.Errorf("%+v", got)
	}
}

func TestExplainWithBrokenFiles(t *testing.T) {
	out, stderr, status := runLine(t, map[string]string{"extensions.toml": "[extensions]\n2001 = full\n"}, "explain", "2001")
	if out != "" || status != 1 || !strings.HasPrefix(stderr, "extensions.toml:2:8: full needs quotation marks") {
		t.Errorf("%d %s %s", status, out, stderr)
	}
	if _, _, status := runLine(t, nil, "explain", "1", "--from", "2", "--to", "3"); status != 2 {
		t.Errorf("--from and --to: %d", status)
	}
}

func TestCheck(t *testing.T) {
	bad := "[extensions]\n2002 = \"selectve\"\n"
	for _, c := range []struct {
		name   string
		files  map[string]string
		args   string
		want   string
		status int
	}{
		{"nothing there", nil, "", "no siprecd.toml: built-in defaults\nno extensions.toml; all other numbers: full\n", 0},
		{"samples", map[string]string{"siprecd.toml": config.SampleSite, "extensions.toml": config.SampleExtensions}, "--strict",
			"siprecd.toml: good\nextensions.toml: good, 7 lines; all other numbers: full\n", 0},
		{"an error", map[string]string{"extensions.toml": bad}, "",
			"extensions.toml:2:8: \"selectve\" is not a policy. Did you mean \"selective\"? (full, selective, off)\n" +
				"    2002 = \"selectve\"\n           ^^^^^^^^^^\n1 error, 0 warnings\n", 1},
		{"one file of two", map[string]string{"extensions.toml": bad, "siprecd.toml": ""}, "siprecd.toml", "siprecd.toml: good\n", 0},
		{"another name", map[string]string{"new.toml": "[extensions]\n2001 = \"full\"\n"}, "new.toml", "new.toml: good\n", 0},
		{"a folder and a file", map[string]string{"extensions.toml": "[extensions]\n2001 = \"off\"\n", "b.toml": "[log]\nlevel = \"debug\"\n"}, ". b.toml",
			"no siprecd.toml: built-in defaults\nextensions.toml: good, 1 line; all other numbers: full\nb.toml: good\n", 0},
		{"an exception", map[string]string{"extensions.toml": "[extensions]\n2000-2099 = \"off\"\n2001 = \"full\"\n"}, "--strict",
			"extensions.toml:3:1: note: 2001 is also matched by 2000-2099 on line 2; line 3 wins, being more exact.\n" +
				"no siprecd.toml: built-in defaults\nextensions.toml: good, 2 lines; all other numbers: full\n", 0},
		{"two that cross", map[string]string{"extensions.toml": "[extensions]\n2000-2099 = \"off\"\n2090-2100 = \"full\"\n"}, "--strict", "", 3},
		{"a missing file", nil, "nowhere.toml", "nowhere.toml: no such file.\n1 error, 0 warnings\n", 1},
		{"a warning", map[string]string{"extensions.toml": "\ufeff[extensions]\n"}, "", "", 0},
		{"a warning, strictly", map[string]string{"extensions.toml": "\ufeff[extensions]\n"}, "--strict", "", 3},
		{"usage", nil, "--strickt", "", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, stderr, status := runLine(t, c.files, append([]string{"check"}, strings.Fields(c.args)...)...)
			if status != c.status || c.want != "" && out != c.want {
				t.Errorf("status %d, want %d\n%s%s\nwant\n%s", status, c.status, out, stderr, c.want)
			}
		})
	}
}

func TestCheckJSON(t *testing.T) {
	out, _, status := runLine(t, map[string]string{"extensions.toml": "[extensions]\n2002 = \"selectve\"\n"}, "check", "--json")
	want := `[
  {
    "file": "extensions.toml",
    "line": 2,
    "col": 8,
    "severity": "error",
    "code": "SR-020",
    "text": "\"selectve\" is not a policy.",
    "hint": "Did you mean \"selective\"? (full, selective, off)",
    "excerpt": "2002 = \"selectve\""
  }
]
`
	if out != want || status != 1 {
		t.Errorf("%d\n%s", status, out)
	}
	if out, _, status := runLine(t, nil, "check", "--json"); out != "[]\n" || status != 0 {
		t.Errorf("%d %q", status, out)
	}
}
