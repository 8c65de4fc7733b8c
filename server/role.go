package server

import "walcast/replication"

// notices are what the reader tells the other parts of the project. tell is told of its
// role.
func (p *project) notices(tell func(replication.Role)) replication.Notices {
	return replication.Notices{
		TypesFound: p.types.found,
		StandsBy: func() {
			p.gateway.Bar()
			tell(replication.RoleStandby)
		},
		SlotHeld: func(succeeds bool) {
			p.hub.TakeOver(succeeds)
			p.gateway.Admit()
			tell(replication.RoleReader)
		},
		Follows: func(serves bool) {
			if !serves {
				p.gateway.Bar()
				tell(replication.RoleStandby)
				return
			}
			p.hub.TakeOver(true)
			p.gateway.Admit()
			tell(replication.RoleFollower)
		},
		PeerFound:   p.peerFound,
		PeerClients: func(clients []uint64) { p.hub.Peers().Know(clients) },
	}
}

// reads reports whether this process reads the slot, or is to.
func (p *project) reads() bool { return p.reader.Status().Role == replication.RoleReader }

// stands reports whether this process stands by for another.
func (p *project) stands() bool { return p.reader.Status().Role == replication.RoleStandby }
