package main

import (
	"bytes"
	"fmt"
	"strings"

	"parlor/session/terms"
)

func (t typ) node() string {
	switch t.kind {
	case "integer", "number":
		return "number"
	case "boolean":
		return "boolean"
	case "array":
		return "Array<" + t.item.node() + ">"
	case "map":
		return "Record<string, " + t.item.node() + ">"
	case "object":
		return t.object
	case "room":
		return "string | number"
	}
	if len(t.enum) > 0 {
		return "'" + strings.Join(t.enum, "' | '") + "'"
	}
	return "string"
}

// node writes the Node package's file.
func (m *model) node() []byte {
	var b bytes.Buffer
	b.WriteString("// Made by backend/generate: do not change it here.\n\n")
	for _, o := range append(m.objects, m.event) {
		fmt.Fprintf(&b, "/**\n * @typedef {object} %s\n", o.name)
		for _, f := range o.fields {
			name := f.name
			if f.optional {
				name = "[" + name + "]"
			}
			b.WriteString(strings.ReplaceAll(wrap(" *", fmt.Sprintf("@property {%s} %s %s", f.typ.node(), name, f.about())), " \n", "\n"))
		}
		b.WriteString(" */\n\n")
	}
	b.WriteString("/** The commands of a node. `Node` carries them out. */\nexport class Commands {\n")
	b.WriteString("  /**\n   * Gives a command by its name.\n   * @param {string} action\n   * @param {object} request\n   * @returns {Promise<any>} the answer\n   */\n")
	b.WriteString("  async do(action, request) {\n    throw new Error(`${action} of ${JSON.stringify(request)} needs a node`);\n  }\n")
	for _, c := range m.commands {
		fmt.Fprintf(&b, "\n  /**\n%s   * @param {%s} request\n   * @returns {Promise<%s>}\n   */\n", wrap("   *", c.summary), c.request, c.answer)
		fmt.Fprintf(&b, "  %s(request) {\n    return this.do('%s', request);\n  }\n", lowerFirst(c.action), c.action)
	}
	b.WriteString("}\n\n/** The types of events. */\nexport const EventType = Object.freeze({\n")
	for _, t := range terms.FeedTypes() {
		fmt.Fprintf(&b, "  %s: %d,\n", upper(t.Name()), t)
	}
	b.WriteString("});\n\n/** The reasons of events. */\nexport const Reason = Object.freeze({\n")
	for _, r := range terms.FeedReasons() {
		fmt.Fprintf(&b, "  %s: %d,\n", upper(r.Name()), r)
	}
	fmt.Fprintf(&b, "});\n\n/** The rights of tokens. */\nexport const RIGHTS = Object.freeze([%s]);\n", quoted(terms.AllRights().List(), "'"))
	fmt.Fprintf(&b, "\n/** What an ordinary user needs. */\nexport const MEMBER_RIGHTS = Object.freeze([%s]);\n", quoted(terms.MemberRights().List(), "'"))
	return b.Bytes()
}

// quoted lists rights, each on a line of its own.
func quoted(rights []terms.Right, quote string) string {
	var b strings.Builder
	for _, r := range rights {
		fmt.Fprintf(&b, "\n  %s%s%s,", quote, r, quote)
	}
	return b.String() + "\n"
}
