package sip

import (
	"bufio"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// demanded are the rows that each list in testdata must hold, every one with
// its tests or, after a dash, the reason why it needs none.
var demanded = map[string]string{
	"conformance.txt": `
A01 A02 A03 A04 A05 A06 A07 A08 A09 A10 A11 A12
B01 B02 B03 B04 B05 B06 B07 B08 B09 B10 B11 B12 B13 B14 B15 B16 B17 B18 B19 B20 B21 B22 B23 B24 B25 B26 B27
C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20
D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19 D20 D21 D22 D23 D24
E01 E02 E03 E04 E05 E06 E07 E08 E09 E10 E11 E12 E13
H01 H02 H03 H04 H05 H06 H07 H08 H09 H10 H11 H12 H13 H14 H15 H16 H17 H18 H19 H20 H21 H22 H23 H24 H25 H26 H27 H28 H29 H30
I01 I02 I03 I04 I05 I06
J01 J02 J03 J04 J05 J06 J07 J08 J09 J12
T01 T02 T03 T04 T05 T06 T07 T08 T09 T10 T11 T12`,
	"bad-inputs.txt": `
01 02 03 04 05 06 07 08 09 10 11 12 13 14 15 16 17 18 19 20 21 22
23 24 25 26 27 28 29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44
45 46 47 48 49 50 51 52 53 54 55 56 57`,
	"quirks.txt": `
Q01 Q02 Q03 Q04 Q05 Q06 Q07 Q08 Q09 Q10 Q11 Q12 Q13 Q14 Q15 Q16 Q17 Q18 Q19 Q20 Q21 Q22
Q23 Q24 Q25 Q26 Q27 Q28 Q29 Q30 Q31 Q32 Q33 Q34 Q35 Q36 Q37 Q38 Q39 Q40 Q41 Q42 Q43 Q44`,
}

var (
	rowLine  = regexp.MustCompile(`^([A-KQT]?\d\d)  (-  \S.*|` + testName + `(?:, ` + testName + `)*(?:  .*)?)$`)
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// testName is a test, or one fixture of a test that reads a folder of them.
const testName = `Test\w+(?:/[\w.-]+)?`

// fixtures are the folders of the tests that read one.
var fixtures = map[string]string{"TestSources": "../testdata/src", "TestSequences": "../testdata/rsmeta", "TestTortuous": "../testdata/tortuous"}

func TestConformanceListIsWhole(t *testing.T) {
	written := testsWritten(t)
	for list, ids := range demanded {
		rows := rowsOf(t, list, written)
		for _, id := range strings.Fields(ids) {
			if !rows[id] {
				t.Errorf("%s: %s is missing", list, id)
			}
		}
	}
}

// testsWritten are the names of all tests of the repository.
func testsWritten(t *testing.T) map[string]bool {
	written := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllSubmatch(source, -1) {
			written[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return written
}

// rowsOf reads one list and checks every test and fixture it names.
func rowsOf(t *testing.T, list string, written map[string]bool) map[string]bool {
	f, err := os.Open(filepath.Join("../testdata", list))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		line := strings.TrimRight(lines.Text(), " ")
		if line == "" || line[0] == '#' {
			continue
		}
		m := rowLine.FindStringSubmatch(line)
		if m == nil {
			t.Errorf("%s: not a row: %s", list, line)
			continue
		}
		if rows[m[1]] {
			t.Errorf("%s: %s stands there twice", list, m[1])
		}
		rows[m[1]] = true
		tests, _, _ := strings.Cut(m[2], "  ")
		for _, name := range strings.Split(tests, ", ") {
			test, fixture, _ := strings.Cut(name, "/")
			if name != "-" && !written[test] {
				t.Errorf("%s: %s names %s, which does not exist", list, m[1], test)
			}
			if fixture == "" {
				continue
			}
			if _, err := os.Stat(filepath.Join(fixtures[test], fixture+".txtar")); err != nil {
				t.Errorf("%s: %s: %v", list, m[1], err)
			}
		}
	}
	return rows
}

// Every fixture of an SRC stands in the list of quirks or of conformance, so
// that nobody wonders what it is there for.
func TestEverySourceShowsSomething(t *testing.T) {
	var lists strings.Builder
	for list := range demanded {
		text, err := os.ReadFile(filepath.Join("../testdata", list))
		if err != nil {
			t.Fatal(err)
		}
		lists.Write(text)
	}
	files, err := filepath.Glob("../testdata/src/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d fixtures, %v", len(files), err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".txtar")
		if !regexp.MustCompile(`TestSources/` + regexp.QuoteMeta(name) + `(,|  )`).MatchString(lists.String()) {
			t.Errorf("no row names TestSources/%s", name)
		}
	}
}
