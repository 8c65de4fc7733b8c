package fanout

import (
	"iter"

	"walcast/filters"
	"walcast/policy"
	"walcast/replication/wal"
)

// attached are the subscriptions of a delivery, and the index of their
// bindings.
type attached struct {
	delivery *delivery
	policy   *policy.Policy
	index    *filters.Index[*binding]

	byTopic map[topicID][]*Subscription
	members int // subscriptions that get messages from SQL
	asking  int // subscriptions that are told of the ends of transactions
	// noted are subscriptions that may have to be told of the next end of a
	// transaction. Those that have left since may still be among them.
	noted []*Subscription

	tables map[tableName]int // number of bindings by the table they name, "*" included
	views  viewIndex
	last   concern            // answer of the last call of concerns
	roles  map[string]roleUse // roles that the bindings' subjects act as
}

type tableName struct{ schema, table string }

// concern is whether some binding names a relation.
type concern struct {
	relation *wal.Relation
	is       bool
}

// roleUse counts a role's bindings and keeps one of its subjects, as grants are
// asked for by subject.
type roleUse struct {
	bindings int
	subject  *policy.Subject
}

func newAttached(d *delivery) attached {
	return attached{
		delivery: d, policy: d.fanout.policy, index: filters.NewIndex[*binding](d.fanout.config.Locale),
		byTopic: map[topicID][]*Subscription{}, tables: map[tableName]int{}, roles: map[string]roleUse{},
	}
}

// has reports whether a subscription is attached to the delivery still: it may
// have moved to another one, or be closed.
func (a *attached) has(s *Subscription) bool { return s.attachedTo.Load() == a.delivery }

// add takes a subscription in. Its bindings are added by addBindings.
func (a *attached) add(s *Subscription) {
	list := a.byTopic[s.topic]
	s.indexOnTopic = len(list)
	a.byTopic[s.topic] = append(list, s)
	if s.request.Member != nil {
		a.members++
	}
	if s.unfinished.asks {
		a.asking++
	}
}

// remove takes a subscription out. Its bindings must have been removed before.
func (a *attached) remove(s *Subscription) {
	list := a.byTopic[s.topic]
	last := len(list) - 1
	list[s.indexOnTopic] = list[last]
	list[s.indexOnTopic].indexOnTopic = s.indexOnTopic
	list[last] = nil
	if last == 0 {
		delete(a.byTopic, s.topic)
	} else {
		a.byTopic[s.topic] = list[:last]
	}
	if s.request.Member != nil {
		a.members--
	}
	if s.unfinished.asks {
		a.asking--
	}
}

// all returns the subscriptions, in no order.
func (a *attached) all() iter.Seq[*Subscription] {
	return func(yield func(*Subscription) bool) {
		for _, list := range a.byTopic {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// addBindings has the subscription's bindings match.
func (a *attached) addBindings(s *Subscription) {
	for _, b := range s.bindings {
		a.addBinding(b)
	}
	s.fanout.metrics.bindings.Add(float64(len(s.bindings)))
}

// removeBindings has the subscription's bindings match no more.
func (a *attached) removeBindings(s *Subscription) {
	for _, b := range s.bindings {
		a.removeBinding(b)
	}
	s.fanout.metrics.bindings.Sub(float64(len(s.bindings)))
}

// addBinding puts a binding into the index.
func (a *attached) addBinding(b *binding) {
	a.index.Add(b.selector(a.policy), b)
	name := tableName{b.Spec.Schema, b.Spec.Table}
	a.tables[name]++
	a.views.add(b)
	a.last = concern{}
	a.roles[b.subject.Role] = roleUse{bindings: a.roles[b.subject.Role].bindings + 1, subject: b.subject}
}

// removeBinding takes a binding out of the index.
func (a *attached) removeBinding(b *binding) {
	a.index.Remove(b.selector(a.policy), b)
	name := tableName{b.Spec.Schema, b.Spec.Table}
	a.last = concern{}
	a.views.remove(b)
	if a.tables[name]--; a.tables[name] == 0 {
		delete(a.tables, name)
	}
	use := a.roles[b.subject.Role]
	if use.bindings--; use.bindings == 0 {
		delete(a.roles, b.subject.Role)
		return
	}
	a.roles[b.subject.Role] = use
}

// concerns reports whether any binding names the relation.
func (a *attached) concerns(rel *wal.Relation) bool {
	if len(a.tables) == 0 || rel == nil {
		return false
	}
	if a.last.relation != rel { // changes of one table often follow each other
		a.last = concern{rel, !holdsMessages(rel) && a.named(rel)}
	}
	return a.last.is
}

// named reports whether a binding names the relation, "*" standing for any
// schema or table.
func (a *attached) named(rel *wal.Relation) bool {
	return a.tables[tableName{rel.Schema, rel.Table}] > 0 || a.tables[tableName{rel.Schema, "*"}] > 0 ||
		a.tables[tableName{"*", rel.Table}] > 0 || a.tables[tableName{"*", "*"}] > 0
}
