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

// demanded are the rows that the list must hold, each with its test or its
// reason.
const demanded = `
A01 A02 A03 A04 A05 A06 A07 A08 A09 A10 A11 A12
B01 B02 B03 B04 B05 B06 B07 B08 B09 B10 B11 B12 B13 B14 B15 B16 B17 B18 B19 B20 B21 B22 B23 B24 B25 B26 B27
C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14 C15 C16 C17 C18 C19 C20
D01 D02 D03 D04 D05 D06 D07 D08 D09 D10 D11 D12 D13 D14 D15 D16 D17 D18 D19 D20 D21 D22 D23 D24
E01 E02 E03 E04 E05 E06 E07 E08 E09 E10 E11 E12 E13
H01 H02 H03 H04 H05 H06 H07 H08 H09 H10 H11 H12 H13 H14 H15 H16 H17 H18 H19 H20 H21 H22 H23 H24 H25 H26 H27 H28 H29 H30
I01 I02 I03 I04 I05 I06
J01 J02 J03 J04 J05 J06 J07 J09 J12`

var (
	rowLine  = regexp.MustCompile(`^([A-K]\d\d)  (-  \S.*|Test\w+(?:, Test\w+)*(?:  .*)?)$`)
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

func TestConformanceListIsWhole(t *testing.T) {
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
	f, err := os.Open("../testdata/conformance.txt")
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
			t.Errorf("not a row: %s", line)
			continue
		}
		if rows[m[1]] {
			t.Errorf("%s stands there twice", m[1])
		}
		rows[m[1]] = true
		tests, _, _ := strings.Cut(m[2], "  ")
		for _, name := range strings.Split(tests, ", ") {
			if name != "-" && !written[name] {
				t.Errorf("%s names %s, which does not exist", m[1], name)
			}
		}
	}
	for _, id := range strings.Fields(demanded) {
		if !rows[id] {
			t.Errorf("%s is missing", id)
		}
	}
}
