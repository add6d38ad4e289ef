package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"siprecd/cmd/siprecd/config"
	"siprecd/policy"
)

// ExplainCmd is "siprecd explain".
type ExplainCmd struct {
	Number string `arg:"" help:"The extension: a number, a name or an address."`
	From   string `xor:"other" placeholder:"NUMBER" help:"Who calls it."`
	To     string `xor:"other" placeholder:"NUMBER" help:"Whom it calls."`
	JSON   bool   `help:"Print a JSON object."`
}

// Help is shown below the usage.
func (ExplainCmd) Help() string {
	return `Takes the decision for a call as the recorder would, by the files as they are
now, and shows the line that makes it.

  siprecd explain 2002                      the extension alone
  siprecd explain 2002 --from 0105550101    a call from outside
  siprecd explain 2002 --to 2003            an internal call: the stricter line wins`
}

// explanation is the JSON of explain; the names are those of calls --json.
type explanation struct {
	Policy    string      `json:"policy"`
	Extension string      `json:"extension"`
	Other     string      `json:"other"`
	Direction string      `json:"direction"`
	Start     string      `json:"start,omitempty"`
	Stop      string      `json:"stop,omitempty"`
	DecidedBy string      `json:"decided_by"`
	Line      string      `json:"line"` // as it is written
	Why       string      `json:"why"`
	Known     bool        `json:"known"`
	Notes     []string    `json:"notes"`
	Also      []lineMatch `json:"also"` // lines that match too and do not hold
}

type lineMatch struct {
	DecidedBy string `json:"decided_by"`
	Line      string `json:"line"`
}

// Run prints the decision.
func (cmd *ExplainCmd) Run(g *Globals) error {
	if strings.TrimSpace(cmd.Number) == "" {
		return g.misused(errors.New("explain needs a number, a name or an address"))
	}
	c, err := g.load()
	if err != nil {
		return err
	}
	e := cmd.explain(c)
	if !cmd.JSON {
		return e.print(g.out())
	}
	return printJSON(g.out(), e)
}

func (cmd *ExplainCmd) explain(c *config.Config) explanation {
	ours := policy.Party{AOR: cmd.Number}
	// Of half a call: the number stands for both sides, so that nobody is missing.
	facts := policy.Facts{Parties: []policy.Party{ours, ours}}
	alone := cmd.From == "" && cmd.To == ""
	switch {
	case cmd.From != "":
		ours.Callee = true
		facts.Parties = []policy.Party{{AOR: cmd.From, Caller: true}, ours}
	case cmd.To != "":
		ours.Caller = true
		facts.Parties = []policy.Party{ours, {AOR: cmd.To, Callee: true}}
	}
	d := c.Rules.Decide(facts)
	e := explanation{
		Policy: d.Mode.String(), Extension: d.Extension, Other: d.Other, Direction: d.Direction,
		DecidedBy: d.By.String(), Line: strings.TrimSpace(c.Text(d.By)), Why: d.Why, Known: d.Known,
		Notes: append([]string{}, d.Notes...), Also: []lineMatch{},
	}
	if alone {
		e.Known, e.Other, e.Direction, e.Notes = true, "", policy.DirectionUnknown, []string{}
	}
	if d.Mode == policy.Selective {
		e.Start, e.Stop = d.Start, d.Stop
	}
	for _, rule := range c.Rules.All(d.Extension) {
		if rule.Origin != d.By {
			e.Also = append(e.Also, lineMatch{rule.Origin.String(), strings.TrimSpace(c.Text(rule.Origin))})
		}
	}
	return e
}

func (e explanation) print(w io.Writer) error {
	var b strings.Builder
	b.WriteString(e.Policy)
	if e.Start != "" {
		fmt.Fprintf(&b, ", from %s to %s", e.Start, e.Stop)
	}
	fmt.Fprintf(&b, "\n%s\n", e.Why)
	if e.Line != "" {
		fmt.Fprintf(&b, "    %s: %s\n", e.DecidedBy, e.Line)
	}
	if e.Other != "" {
		fmt.Fprintf(&b, "extension %s, other side %s, direction %s\n", e.Extension, e.Other, e.Direction)
	}
	for _, m := range e.Also {
		fmt.Fprintf(&b, "matches too, less exact:\n    %s: %s\n", m.DecidedBy, m.Line)
	}
	for _, n := range e.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
