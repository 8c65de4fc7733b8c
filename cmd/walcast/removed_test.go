package main

import (
	"strings"
	"testing"
)

func TestRemovedSettingsAreRefusedByName(t *testing.T) {
	for name, instead := range removed {
		variable := "WALCAST_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
		nested := strings.Replace(name, "-", ": {", 1) + ": 1"
		if strings.Contains(name, "-") {
			nested += "}"
		}
		for _, c := range []struct {
			kind, env, want string
			args            []string
		}{
			{"flag", "", "walcast: --" + name + ": not a setting any more", []string{"--" + name + "=1"}},
			{"flag and value", "", "walcast: --" + name + ": not a setting any more", []string{"--" + name, "1"}},
			{"variable", variable, "walcast: " + variable + ": not a setting any more", nil},
			{"key", "", ": " + name + ": not a setting any more", []string{"--config=" + writeFile(t, name+": 1")}},
			{"nested key", "", ": " + name + ": not a setting any more", []string{"--config=" + writeFile(t, nested)}},
		} {
			t.Run(name+" as "+c.kind, func(t *testing.T) {
				cleared(t)
				if c.env != "" {
					t.Setenv(c.env, "1")
				}
				code, _, errOut := command(t, append([]string{"serve"}, needed(c.args...)...)...)
				if code != exitUsage || !strings.Contains(errOut, c.want) || !strings.Contains(errOut, instead) {
					t.Errorf("exit code %d, %q; want %d, %q and what holds instead", code, errOut, exitUsage, c.want)
				}
			})
		}
	}
}

func TestRemovedSettingsInTheEnvironmentAreOnlyServesBusiness(t *testing.T) {
	cleared(t)
	t.Setenv("WALCAST_SHARDS", "2")
	if code, _, errOut := command(t, "version"); code != 0 {
		t.Errorf("version exits %d with %q; want 0", code, errOut)
	}
}
