package rsmeta

import (
	"slices"
	"strings"
)

// What is asked of an element has been read, and is no extension data.

// value returns an element's own characters, blanks collapsed.
func (e *element) value() string {
	e.read = true
	return strings.Join(strings.Fields(string(e.chars)), " ")
}

// field returns the first of the names that is an attribute or a child with
// characters of its own.
func (e *element) field(names ...string) string {
	for _, n := range names {
		if v := e.attribute(n); v != "" {
			return v
		}
		for _, c := range e.children {
			if !strings.EqualFold(c.name, n) {
				continue
			}
			if v := c.value(); v != "" {
				return v
			}
		}
	}
	return ""
}

// attribute returns an attribute's value, in whatever case it is named.
func (e *element) attribute(name string) string {
	for i := range e.attrs {
		if a := &e.attrs[i]; strings.EqualFold(a.name, name) {
			a.read = true
			return a.value
		}
	}
	return ""
}

// all returns the children of a name, in whatever case.
func (e *element) all(name string) (list []*element) {
	for _, c := range e.children {
		if strings.EqualFold(c.name, name) {
			c.read = true
			list = append(list, c)
		}
	}
	return list
}

// values returns the characters of all children of a name that have some.
func (e *element) values(name string) (list []string) {
	for _, c := range e.all(name) {
		if v := c.value(); v != "" {
			list = append(list, v)
		}
	}
	return list
}

// references returns the ids that children of a name hold: as characters, or as
// id children.
func (e *element) references(name string) (list []string) {
	for _, c := range e.all(name) {
		if v := c.value(); v != "" {
			list = append(list, v)
		}
		list = append(list, c.values("id")...)
	}
	return list
}

// unread collects what nobody has read below e, as extension data of the thing
// with the id of.
func (e *element) unread(of, path string) (list []Extension) {
	if !e.read {
		path += e.step()
		if v := e.value(); v != "" {
			list = append(list, Extension{of, path, v})
		}
	}
	for _, a := range e.attrs {
		switch {
		case a.read || a.value == "":
		case strings.EqualFold(a.name, "value") && len(e.chars) == 0:
			list = append(list, Extension{of, path, a.value})
		default:
			list = append(list, Extension{of, path + "@" + a.name, a.value})
		}
	}
	for _, c := range e.children {
		list = slices.Concat(list, c.unread(of, path+"/"+c.name))
	}
	return list
}

// step is what an element of extension data calls itself beside its name.
func (e *element) step() string {
	for _, name := range []string{"name", "label", "key"} {
		if v := e.attribute(name); v != "" {
			return "/" + v
		}
	}
	return ""
}
