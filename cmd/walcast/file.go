package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// configFile is the --config flag of a command. kong calls BeforeResolve.
type configFile string

// BeforeResolve reads the file and puts it below flags and environment.
func (c configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path) error {
	path := string(ctx.FlagValue(trace.Flag).(configFile))
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return wrong("config", "%v", err)
	}
	f, err := readFile(text, settingNames(ctx.Model))
	if err != nil {
		return wrong("config", "%s: %v", path, err)
	}
	ctx.AddResolver(f)
	return nil
}

// settingNames are the flags that may stand in the file: those of serve, since
// the others (dev's --demo, token's --sub) are no settings.
func settingNames(app *kong.Application) map[string]bool {
	names := map[string]bool{}
	for _, node := range app.Leaves(true) {
		if node.Name != "serve" {
			continue
		}
		for _, flag := range node.Flags {
			names[flag.Name] = flag.Name != "config"
		}
	}
	return names
}

// file is a parsed YAML file: setting by flag name, in the form that a flag
// would have.
type file map[string]string

// readFile flattens nested keys to flag names, jwt: {secret: …} to jwt-secret,
// and refuses what is not in known.
func readFile(text []byte, known map[string]bool) (file, error) {
	var tree map[string]any
	if err := yaml.Unmarshal(text, &tree); err != nil {
		return nil, fmt.Errorf("read YAML: %w", withoutValues(err, known))
	}
	f := file{}
	return f, f.flatten("", tree, known)
}

// twice is what yaml says of a key that is there already.
var twice = regexp.MustCompile(`line (\d+): mapping key "([^"]*)" already defined at line (\d+)`)

// withoutValues says what is wrong without the values that yaml quotes: one of
// them may be a secret. So may a key that is no part of a setting's name.
func withoutValues(err error, known map[string]bool) error {
	var mismatch *yaml.TypeError
	if !errors.As(err, &mismatch) {
		return err
	}
	found := twice.FindStringSubmatch(mismatch.Error())
	if found == nil {
		return errors.New("want settings as key: value")
	}
	key := "a key"
	part := strings.ReplaceAll(found[2], "_", "-")
	for name := range known {
		if strings.Contains("-"+name+"-", "-"+part+"-") && part != "" {
			key = found[2]
		}
	}
	return fmt.Errorf("%s is set twice, in lines %s and %s", key, found[3], found[1])
}

func (f file) flatten(prefix string, tree map[string]any, known map[string]bool) error {
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		name := prefix + strings.ReplaceAll(key, "_", "-")
		nested, isMap := tree[key].(map[string]any)
		switch {
		case known[name]:
			text, err := scalar(tree[key])
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if _, twice := f[name]; twice {
				return fmt.Errorf("%s: set twice", name)
			}
			f[name] = text
		case isMap:
			if err := f.flatten(name+"-", nested, known); err != nil {
				return err
			}
		case removed[name] != "":
			return notASetting(name, name)
		default:
			return fmt.Errorf("unknown setting %q", name)
		}
	}
	return nil
}

// scalar is a value as it would stand after a flag: lists by commas, maps as
// KEY=VALUE.
func scalar(value any) (string, error) {
	switch v := value.(type) {
	case nil:
		return "", errors.New("has no value")
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			text, err := scalar(item)
			if err != nil {
				return "", err
			}
			items[i] = strings.ReplaceAll(text, ",", `\,`) // as kong unescapes it
		}
		return strings.Join(items, ","), nil
	case map[string]any:
		var items []string
		for _, key := range slices.Sorted(maps.Keys(v)) {
			items = append(items, fmt.Sprintf("%s=%v", key, v[key]))
		}
		return strings.Join(items, ","), nil
	default:
		return fmt.Sprint(v), nil
	}
}

// Validate is part of kong.Resolver; readFile has refused unknown keys.
func (f file) Validate(*kong.Application) error { return nil }

// Resolve gives kong the file's value of a flag, unless the environment has
// one: kong itself would let the file win.
func (f file) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	value, ok := f[flag.Name]
	if !ok {
		return nil, nil
	}
	for _, env := range flag.Envs {
		if _, set := os.LookupEnv(env); set {
			return nil, nil
		}
	}
	return value, nil
}
