package config

import (
	"fmt"
	"reflect"
	"strings"
)

// locate finds where the value of each key stands.
func locate(lines []string) map[string]place {
	found := make(map[string]place)
	table := ""
	counts := make(map[string]int)
	for i, line := range lines {
		trimmed := strings.TrimSpace(line[:commentStart(line)])
		if strings.HasPrefix(trimmed, "[") {
			table = strings.TrimSpace(strings.Trim(trimmed, "[]"))
			if strings.HasPrefix(trimmed, "[[") {
				table = fmt.Sprintf("%s[%d]", table, counts[table])
				counts[strings.TrimSpace(strings.Trim(trimmed, "[]"))]++
			}
			from := len(line) - len(strings.TrimLeft(line, " \t"))
			found[table] = place{i + 1, from, from + len(trimmed)}
			continue
		}
		key, value, ok := strings.Cut(line[:commentStart(line)], "=")
		if !ok || !isBareKey(strings.TrimSpace(key)) {
			continue
		}
		from := len(key) + 1 + len(value) - len(strings.TrimLeft(value, " \t"))
		path := strings.TrimSpace(key)
		if table != "" {
			path = table + "." + path
		}
		if _, again := found[path]; !again {
			found[path] = place{i + 1, from, from + len(strings.TrimSpace(value))}
		}
	}
	return found
}

// value is where a text stands, at or below the line of its key.
func (s *site) value(key, text string) place {
	at, ok := s.keys[key]
	last := min(at.line+200, len(s.lines))
	if !ok { // an inline table or a dotted key: the first such text of the file
		at.line, last = 1, len(s.lines)
	}
	for n := at.line; n <= last; n++ {
		line := s.lines[n-1]
		from := 0
		if n == at.line {
			from = at.from
		}
		for _, quoted := range []string{`"` + text + `"`, "'" + text + "'"} {
			if i := strings.Index(line[min(from, len(line)):], quoted); i >= 0 {
				return place{n, from + i, from + i + len(quoted)}
			}
		}
	}
	if !ok {
		return place{}
	}
	return at
}

// fieldAt walks the tags of document to a key such as "src.name".
func fieldAt(key string) (reflect.Type, bool) {
	at := reflect.TypeFor[document]()
	if key == "" {
		return at, true // the file
	}
	for name := range strings.SplitSeq(key, ".") {
		if at.Kind() == reflect.Slice {
			at = at.Elem()
		}
		if at.Kind() != reflect.Struct {
			return nil, false
		}
		found := false
		for i := range at.NumField() {
			if f := at.Field(i); f.Tag.Get("toml") == name {
				at, found = f.Type, true
				break
			}
		}
		if !found {
			return nil, false
		}
	}
	return at, true
}

// namesIn lists the keys of a table; of the file with "".
func namesIn(table string) (names []string) {
	t, ok := fieldAt(table)
	if ok && t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if !ok || t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		names = append(names, t.Field(i).Tag.Get("toml"))
	}
	return names
}

// kindOf says what a key must be, with an example; "" for an unknown key.
func kindOf(key string) string {
	t, ok := fieldAt(key)
	if !ok || key == "" {
		return ""
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.String:
		return `"text"`
	case reflect.Bool:
		return "true, false"
	case reflect.Int64:
		return "1, 2, 3…"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return `["…", "…"]`
		}
		return "[[" + key + "]]"
	}
	return "[" + key + "]"
}
