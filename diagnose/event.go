package diagnose

import (
	"fmt"
	"strings"

	"walcast/protocol"
	"walcast/replication/catalog"
	"walcast/replication/wal"
)

// costOfEvents is what it costs to publish one more kind of change.
const costOfEvents = "it concerns all tables of the publication"

// eventWarnings warns of a binding for an event that is not published. A binding
// for all events is not warned: it gets those that are.
func eventWarnings(b *Binding, rel *wal.Relation, partly map[uint32]catalog.Publishes) []protocol.Problem {
	p, isPartly := partly[rel.OID]
	if !isPartly {
		return nil
	}
	kinds := []struct {
		name      string
		published bool
	}{{"INSERT", p.Insert}, {"UPDATE", p.Update}, {"DELETE", p.Delete}, {"TRUNCATE", p.Truncate}}
	wanted := ""
	var publish []string
	for _, kind := range kinds {
		asked := b.Spec.Event == kind.name && !kind.published
		if asked {
			wanted = kind.name
		}
		if asked || kind.published {
			publish = append(publish, strings.ToLower(kind.name))
		}
	}
	if wanted == "" {
		return nil
	}
	c := publishingEvent(wanted, publish, p)
	text := fmt.Sprintf("publication %s does not publish %s, so none comes of %s. ", quote(p.Publication), wanted, quote(rel.Schema, rel.Table))
	if c.fix != "" {
		text += "To get it: " + c.fix
	} else {
		text += c.cost
	}
	return []protocol.Problem{warning(protocol.CodeEventNotPublished, c, text)}
}

// publishingAll has a publication publish all kinds of changes. missing are those that it
// does not.
func publishingAll(p catalog.Publishes) (missing []string, c cure) {
	event := "INSERT"
	for _, kind := range []struct {
		name      string
		published bool
	}{{"INSERT", p.Insert}, {"UPDATE", p.Update}, {"DELETE", p.Delete}, {"TRUNCATE", p.Truncate}} {
		if kind.published {
			continue
		}
		missing = append(missing, kind.name)
		if kind.name == "UPDATE" || kind.name == "DELETE" {
			event = kind.name // for which there may be no SQL
		}
	}
	return missing, publishingEvent(event, []string{"insert", "update", "delete", "truncate"}, p)
}

// publishingEvent has a publication publish one more kind of change.
func publishingEvent(event string, publish []string, p catalog.Publishes) cure {
	if event == "UPDATE" || event == "DELETE" {
		switch {
		case p.Unidentified > 0:
			return cure{cost: fmt.Sprintf("%d tables of the publication have no primary key: their %s would fail", p.Unidentified, event)}
		case p.Restricted:
			return cure{cost: fmt.Sprintf("the publication has lists of columns or filters of rows: where these leave out a part of the key, %s would fail", event)}
		}
	}
	return cure{fix: fmt.Sprintf("ALTER PUBLICATION %s SET (publish = '%s');", quote(p.Publication), strings.Join(publish, ", ")), cost: costOfEvents}
}
