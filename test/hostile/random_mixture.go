package hostile

import (
	"context"
	"sync"
	"time"
)

// randomMixture has three attacks at a time, drawn from all, each for a few
// seconds.
type randomMixture struct{}

// mixed are those that it draws from. It is filled by init, as attacks has the
// mixture too.
var mixed []attack

func init() {
	for _, a := range attacks {
		if _, itself := a.(randomMixture); !itself {
			mixed = append(mixed, a)
		}
	}
}

func (randomMixture) world() (all []string) {
	for _, a := range []attack{rangesUnderICUCollation{}, rowsOnWhichThePolicyRaises{}, unequalSnapshots{}} {
		all = append(all, a.world()...)
	}
	return all
}

func (randomMixture) run(ctx context.Context, a *attacker) error {
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			random := a.chance(i)
			for ctx.Err() == nil {
				chosen := mixed[random.IntN(len(mixed))]
				slice := time.Second + time.Duration(random.Int64N(int64(4*time.Second)))
				a.tell("attack " + name(chosen))
				ctx, cancel := context.WithTimeout(ctx, slice)
				if err := chosen.run(ctx, a); err != nil && ctx.Err() == nil {
					a.tell(name(chosen) + ": " + reason(err))
				}
				cancel()
			}
		})
	}
	all.Wait()
	return nil
}
