package migrations

import (
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
)

//go:embed *.sql
var files embed.FS

// migration is one numbered file.
type migration struct {
	version int
	name    string // "002_messages"
	sql     string // with the statement that records what was made
}

// load returns the migrations in order, which is that of their names.
func load() ([]migration, error) {
	names, err := fs.Glob(files, "[0-9][0-9][0-9]_*.sql")
	if err != nil {
		return nil, fmt.Errorf("list migrations: %w", err)
	}
	record, err := text("record.sql")
	if err != nil {
		return nil, err
	}
	all := make([]migration, 0, len(names))
	for _, file := range names {
		sql, err := text(file)
		if err != nil {
			return nil, err
		}
		m := migration{name: strings.TrimSuffix(file, ".sql")}
		if m.version, err = strconv.Atoi(file[:3]); err != nil {
			return nil, fmt.Errorf("number of migration %s: %w", file, err)
		}
		m.sql = sql + "\n" + fmt.Sprintf(record, m.version, m.name)
		all = append(all, m)
	}
	return all, nil
}

func text(file string) (string, error) {
	sql, err := files.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read migration: %w", err)
	}
	return string(sql), nil
}
