package todos

import (
	"fmt"
	"strings"
)

// A module is one of npm's in CommonJS, as React is, which browsers do not read by
// themselves. Its file is the one of npm's package, unchanged.
type module struct {
	name     string   // by which it is imported: "react-dom/client"
	file     string   // in the folder modules
	requires []string // names of others
	exports  []string // what is imported from it by name
}

var modules = []module{
	{name: "react", file: "react.js", exports: []string{
		"createElement", "startTransition", "useCallback", "useEffect", "useMemo", "useOptimistic", "useRef", "useState", "useSyncExternalStore",
	}},
	{name: "scheduler", file: "scheduler.js"},
	{name: "react-dom", file: "react-dom.js", requires: []string{"react"}},
	{name: "react-dom/client", file: "react-dom-client.js", requires: []string{"scheduler", "react", "react-dom"}, exports: []string{"createRoot"}},
}

// imports are the addresses of what the page imports, by name, for its import map.
func imports() map[string]string {
	addresses := map[string]string{"@walcast/client/react": "/client/react.js"}
	for _, m := range modules {
		addresses[m.name] = m.address()
	}
	return addresses
}

func (m module) address() string { return "/modules/" + m.file }

// script is the module as browsers import it.
func (m module) script() []byte {
	text, err := files.ReadFile("modules/" + m.file)
	if err != nil {
		panic(err) // it is in the program
	}
	var s strings.Builder
	for i, name := range m.requires {
		fmt.Fprintf(&s, "import $%d from %q\n", i, name)
	}
	s.WriteString("const module = { exports: {} }\nconst required = {")
	for i, name := range m.requires {
		fmt.Fprintf(&s, " %q: $%d,", name, i)
	}
	fmt.Fprintf(&s, " }\n;((module, exports, require) => {%s\n})(module, module.exports, (name) => required[name])\nexport default module.exports\n", text)
	if len(m.exports) > 0 {
		fmt.Fprintf(&s, "export const { %s } = module.exports\n", strings.Join(m.exports, ", "))
	}
	return []byte(s.String())
}
