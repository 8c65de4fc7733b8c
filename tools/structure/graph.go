package main

import "slices"

// graph has how often each file refers to each other one.
type graph [][]int

func newGraph(files int) graph {
	g := make(graph, files)
	for i := range g {
		g[i] = make([]int, files)
	}
	return g
}

func (g graph) add(from, to int) {
	if from != to {
		g[from][to]++
	}
}

func (g graph) total() (n int) {
	for _, to := range g {
		for _, count := range to {
			n += count
		}
	}
	return n
}

// back counts the references from a later to an earlier file.
func (g graph) back(order []int) (n int) {
	for i, later := range order {
		for _, earlier := range order[:i] {
			n += g[later][earlier]
		}
	}
	return n
}

// circular counts the references to files that refer back, directly or by
// others.
func (g graph) circular() (n int) {
	for from := range g {
		for to, count := range g[from] {
			if count > 0 && g.reaches(to, from, make([]bool, len(g))) {
				n += count
			}
		}
	}
	return n
}

func (g graph) reaches(from, to int, seen []bool) bool {
	if from == to {
		return true
	}
	seen[from] = true
	for next, count := range g[from] {
		if count > 0 && !seen[next] && g.reaches(next, to, seen) {
			return true
		}
	}
	return false
}

// order is an order of the files with few references back: the best that is
// found from three starts. To find the very best takes too long for many files.
func (g graph) order() (best []int) {
	ascending := make([]int, len(g))
	for i := range ascending {
		ascending[i] = i
	}
	descending := slices.Clone(ascending)
	slices.Reverse(descending)
	for _, start := range [][]int{g.greedy(), ascending, descending} {
		order := g.improve(start)
		if best == nil || g.back(order) < g.back(best) {
			best = order
		}
	}
	return best
}

// greedy puts next the file that refers to the rest the most, compared with how
// much the rest refers to it.
func (g graph) greedy() (order []int) {
	var rest []int
	for i := range g {
		rest = append(rest, i)
	}
	for len(rest) > 0 {
		best, most := 0, 0
		for at, file := range rest {
			surplus := 0
			for _, other := range rest {
				surplus += g[file][other] - g[other][file]
			}
			if at == 0 || surplus > most {
				best, most = at, surplus
			}
		}
		order = append(order, rest[best])
		rest = slices.Delete(rest, best, best+1)
	}
	return order
}

// improve moves one file at a time to its best place, until no move helps.
func (g graph) improve(order []int) []int {
	order = slices.Clone(order)
	for moved := true; moved; {
		moved = false
		for file := range g {
			from := slices.Index(order, file)
			if to, gain := g.better(order, from); gain > 0 {
				order = slices.Insert(slices.Delete(order, from, from+1), to, file)
				moved = true
			}
		}
	}
	return order
}

// better finds where the file at a place is better off, and by how many
// references.
func (g graph) better(order []int, from int) (to, gain int) {
	file, sum := order[from], 0
	for i := from + 1; i < len(order); i++ { // past the others, one by one
		if sum += g[order[i]][file] - g[file][order[i]]; sum > gain {
			to, gain = i, sum
		}
	}
	sum = 0
	for i := from - 1; i >= 0; i-- {
		if sum += g[file][order[i]] - g[order[i]][file]; sum > gain {
			to, gain = i, sum
		}
	}
	return to, gain
}
