package hostile

import (
	"context"
	"fmt"
	"strings"
)

// attack is one way to harm others. The name of its type says what it does.
type attack interface {
	// world returns what the owner of the database has made, and the attack makes
	// use of: statements for a database that has the tables of every run.
	world() []string
	// run goes on until ctx is done. What the server refuses is no error of
	// an attack.
	run(ctx context.Context, a *attacker) error
}

// attacks are all of them. The first does nothing: what it measures is the
// machine.
var attacks = []attack{
	nobodyAttacks{},
	catastrophicPatterns{},
	rangesUnderICUCollation{},
	nulInNames{},
	rowsOnWhichThePolicyRaises{},
	hugePatterns{},
	likeOfLongRows{},
	topicsOfAnyLength{},
	namesFromOneSocket{},
	silentJoinersOfFullRoom{},
	presenceOfManyTopics{},
	foreignLogicalMessages{},
	joinsOfManyBindings{},
	equalBindings{},
	resumesAtOnce{},
	unequalSnapshots{},
	privateJoinsOfSlowPolicy{},
	tokenFlood{},
	frameFlood{},
	slowReaders{},
	nulInPrivateTopics{},
	refusedHandshakes{},
	refusedMessagesFromSQL{},
	largeHandshakes{},
	idempotencyKeys{},
	unreadEventStreams{},
	randomFrames{},
	randomMixture{},
}

// name is that of an attack's type.
func name(a attack) string {
	_, after, _ := strings.Cut(fmt.Sprintf("%T", a), ".")
	return after
}

// find returns the attack of a name.
func find(wanted string) (attack, error) {
	var names []string
	for _, a := range attacks {
		if name(a) == wanted {
			return a, nil
		}
		names = append(names, name(a))
	}
	return nil, fmt.Errorf("no attack %q; there are %s", wanted, strings.Join(names, ", "))
}

// nobodyAttacks is for comparison.
type nobodyAttacks struct{}

func (nobodyAttacks) world() []string { return nil }

func (nobodyAttacks) run(ctx context.Context, _ *attacker) error {
	<-ctx.Done()
	return nil
}
