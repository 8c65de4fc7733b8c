package pgarray

// Array holds the elements of an array in order, whatever its dimensions.
type Array struct {
	Elements []Element
	Depth    int // dimensions; 0 when empty
	Length   int // of the first dimension
}

// Element is one element's text.
type Element struct {
	Text string
	Null bool
}

// Parse reads a whole array. With an error come the elements before it.
func Parse(text string, delimiter byte) (Array, error) {
	var elements []Element
	r := NewReader(text, delimiter)
	for {
		t, err := r.Next()
		if err != nil {
			return Array{Elements: elements}, err
		}
		switch t.Kind {
		case Item:
			elements = append(elements, Element{Text: t.Text})
		case Null:
			elements = append(elements, Element{Null: true})
		case End:
			if len(elements) == 0 {
				return Array{}, nil
			}
			return Array{Elements: elements, Depth: r.leaf, Length: r.lengths[0]}, nil
		}
	}
}
