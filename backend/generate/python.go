package main

import (
	"bytes"
	"fmt"
	"strings"

	"parlor/session/terms"
)

func (t typ) python() string {
	switch t.kind {
	case "integer":
		return "int"
	case "number":
		return "float"
	case "boolean":
		return "bool"
	case "array":
		return "list[" + t.item.python() + "]"
	case "map":
		return "dict[str, " + t.item.python() + "]"
	case "object":
		return t.object
	case "room":
		return "str | int"
	}
	if len(t.enum) > 0 {
		return `Literal["` + strings.Join(t.enum, `", "`) + `"]`
	}
	return "str"
}

// python writes the part of the Python module that is made.
func (m *model) python() []byte {
	var b bytes.Buffer
	for _, o := range append(m.objects, m.event) {
		fmt.Fprintf(&b, "\n\nclass %s(TypedDict):\n", o.name)
		for _, f := range o.fields {
			if about := f.about(); about != "" {
				b.WriteString(wrap("    #", about))
			}
			t := f.typ.python()
			if f.optional {
				t = "NotRequired[" + t + "]"
			}
			line := fmt.Sprintf("    %s: %s\n", f.name, t)
			if len(line) > 110 {
				line = strings.Replace(line, "Literal[", "Literal[\n        ", 1)
				line = strings.Replace(line, `"]`, "\",\n    ]", 1)
			}
			b.WriteString(line)
		}
	}
	b.WriteString("\n\nclass Commands:\n    \"\"\"The commands of a node. Node carries them out.\"\"\"\n\n")
	b.WriteString("    def do(self, action: str, request: Any) -> Any:\n        \"\"\"Gives a command by its name, and returns its answer.\"\"\"\n        raise NotImplementedError\n")
	for _, c := range m.commands {
		fmt.Fprintf(&b, "\n    def %s(self, request: %s) -> %s:\n        \"\"\"%s\"\"\"\n        return self.do(\"%s\", request)\n", snake(c.action), c.request, c.answer, c.summary, c.action)
	}
	b.WriteString("\n\nclass EventType(enum.IntEnum):\n    \"\"\"The types of events.\"\"\"\n\n")
	for _, t := range terms.FeedTypes() {
		fmt.Fprintf(&b, "    %s = %d\n", upper(t.Name()), t)
	}
	b.WriteString("\n\nclass Reason(enum.IntEnum):\n    \"\"\"The reasons of events.\"\"\"\n\n")
	for _, r := range terms.FeedReasons() {
		fmt.Fprintf(&b, "    %s = %d\n", upper(r.Name()), r)
	}
	fmt.Fprintf(&b, "\n\n# The rights of tokens, and what an ordinary user needs.\nRIGHTS = [%s]\n", strings.ReplaceAll(quoted(terms.AllRights().List(), `"`), "\n  ", "\n    "))
	b.WriteString("MEMBER_RIGHTS = [right for right in RIGHTS if right != \"admin\"]\n")
	return b.Bytes()
}
