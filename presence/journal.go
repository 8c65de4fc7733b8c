package presence

// journal is what a node has still to tell the others of what its own channels track:
// the net effect. A meta that came and went in between is not mentioned.
type journal struct {
	joins  []Listed       // one that has left again has no Meta
	at     map[string]int // where in joins, by ref
	leaves []string
	claims bool // those that stand have changed
}

func (j *journal) join(l Listed) {
	if j.at == nil {
		j.at = map[string]int{}
	}
	if i, untold := j.at[l.Ref]; untold {
		j.joins[i] = l
		return
	}
	j.at[l.Ref] = len(j.joins)
	j.joins = append(j.joins, l)
}

func (j *journal) leave(ref string) {
	i, untold := j.at[ref]
	if !untold {
		j.leaves = append(j.leaves, ref)
		return
	}
	delete(j.at, ref)
	j.joins[i] = Listed{}
	if len(j.at) == 0 { // one client that tracks and untracks all the time must not make it long
		j.joins = nil
	}
}

func (j *journal) isEmpty() bool { return len(j.at) == 0 && len(j.leaves) == 0 && !j.claims }

// take returns what is to be told, and forgets it.
func (j *journal) take() (joins []Listed, leaves []string) {
	for _, l := range j.joins {
		if l.Meta != nil {
			joins = append(joins, l)
		}
	}
	leaves = j.leaves
	*j = journal{}
	return joins, leaves
}
