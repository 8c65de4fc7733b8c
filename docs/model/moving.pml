/*
 * How a client with a client_id goes on where it was when it comes to another node, as the
 * nodes tell and ask each other what it has received. See docs/cluster.md; make model
 * checks it.
 *
 * Each step is named like what does it in the code: a comment "code: PACKAGE NAME ..." says
 * where that is, and a test holds that it is there.
 *
 * What is left out: broadcasts, rights, times, files over a restart, and more than one
 * client. All nodes have the whole WAL at once, see relay.pml.
 *
 * MISTAKE plants one of these; 0 is the code as it is:
 *   7  what was pushed counts as received, without a pong
 *   8  a client that no node knows is new, though not all have answered
 *   9  a node that gives a client away keeps what it knows
 *   10 a node that is gone without a word leaves no doubt
 *   11 a client that was told to resync counts as knowing it, without a pong
 */
#ifndef MISTAKE
#define MISTAKE 0
#endif
#ifndef NODES
#define NODES 3
#endif
#ifndef CHANGES
#define CHANGES 3
#endif
#ifndef LOSSES
#define LOSSES 1	/* messages between two nodes that are lost, or come too late */
#endif
#ifndef KILLS
#define KILLS 1		/* nodes that are gone without a word */
#endif
#ifndef STOPS
#define STOPS 1		/* nodes that are stopped in order */
#endif
#ifndef MOVES
#define MOVES 3		/* times that the client loses its connection */
#endif
#define NOBODY 255
#define NONE 255

byte wal = 1;	/* up to here is committed; 0 is no position */
byte losses = LOSSES, kills = KILLS, stops = STOPS, moves = MOVES;

/* How one node sees another. code: channels/moving source */
mtype = { Away, Missing, Here, HasAll };

typedef Node {
	bool up;
	bool sure;	/* resume sharing.isSure: somebody has vouched for what is known here */
	/* the record of the client. code: channels/resume record */
	bool known;
	bool resync;
	byte proven;
	bool untold;	/* it has changed since others were told */
	byte pong;	/* of the newest socket here, that has not come yet: what it proves */
	/* the copy that others have told. code: channels/resume copied */
	bool isCopied;
	bool copyResync;
	byte copy;
	mtype sees[NODES];
	bool lacks[NODES]	/* its last telling was lost, which the next one shows */
};
Node node[NODES];

/* The client, and its socket. */
byte at = NOBODY;	/* the node of its socket */
bool isOld = false;	/* it was here before */
byte has = 0;		/* up to here it has everything */
byte pushed = 0;	/* up to here its socket was sent everything */
byte cursor = 0;	/* up to here it has taken from the socket */
bool owed = false;	/* resync_required is on its way to it */
byte most = 0;		/* what it has proven to any node, at most */

/* What a step works with; between two steps it means nothing, and is 0. */
byte n, m, i, proven, given;
bool resync, isFound, isOwn, isGiven, isGivenOwn, givenResync, certain, isUnsure, bye;

#define P node[n]
#define M node[m]
#define isCalm (losses == LOSSES && kills == KILLS && stops == STOPS)

/* Learn has node n take in what node m tells of the client.
 * code: channels/resume Clients.Learn copies.add Clients.Everything */
inline Learn() {
	if
	:: M.known -> P.isCopied = true; P.copy = M.proven; P.copyResync = M.resync
	:: !M.known && M.isCopied -> P.isCopied = true; P.copy = M.copy; P.copyResync = M.copyResync
	:: else
	fi
}

/* Doubt is whether node n may not know of a client that is somewhere.
 * code: channels/moving Exchange.doubt sources.lacks; channels/resume Clients.Doubt */
inline Doubt() {
	isUnsure = !P.sure; i = 0;
	do
	:: i < NODES -> isUnsure = isUnsure || P.sees[i] == Missing; i++
	:: else -> break
	od
}

/* Find asks the other nodes for the client, which has come to node n.
 * code: channels/moving Exchange.Find questions.next sources.certain kindQuestion */
inline Find() {
	Doubt();
	certain = !isUnsure; isFound = false; isOwn = false; m = 0;
	do
	:: m < NODES ->
		if
		:: m == n || P.sees[m] == Away || P.sees[m] == Missing
		:: else ->
			certain = certain && P.sees[m] == HasAll;
			if
			:: !M.up -> certain = false
			:: M.up && losses > 0 -> losses--; certain = false	/* the question is lost */
			:: M.up && losses > 0 -> losses--; certain = false; Give()
			:: M.up -> Give(); Answer()
			fi
		fi;
		m++
	:: else -> break
	od;
	if	/* code: channels/resume Clients.Copy Told.Better */
	:: P.isCopied && (!isFound || !isOwn && P.copy > proven) -> isFound = true; proven = P.copy; resync = P.copyResync
	:: else
	fi
}

/* Give is that node m gives the client to another. given is what it knows.
 * code: channels/moving Exchange.answer; channels/resume Clients.Give */
inline Give() {
	isGiven = false; isGivenOwn = false;
	if
	:: M.known ->
		isGiven = true; isGivenOwn = true; given = M.proven; givenResync = M.resync;
		if
		:: MISTAKE != 9 ->
			M.known = false; M.resync = false; M.proven = 0; M.untold = false; M.pong = NONE;
			M.isCopied = true; M.copy = given; M.copyResync = givenResync
		:: else
		fi
	:: !M.known && M.isCopied -> isGiven = true; given = M.copy; givenResync = M.copyResync
	:: else -> M.isCopied = true; M.copy = 0; M.copyResync = true	/* it is somewhere now */
	fi
}

/* Answer is that what node m knows has come. code: channels/moving questions.answer questions.answered kindAnswer */
inline Answer() {
	i = 0;
	do
	:: i < NODES -> certain = certain && M.sees[i] != Missing; i++
	:: else -> break
	od;
	certain = certain && M.sure;
	if
	:: isGiven && (!isFound || isGivenOwn && !isOwn || isGivenOwn == isOwn && given > proven) ->
		isFound = true; isOwn = isGivenOwn; proven = given; resync = givenResync
	:: else
	fi
}

/* Take gives the client's record to its new channel on node n, and says where it goes on.
 * code: channels/resume Clients.Take Clients.Knows records.take Fresh Remembered Forgotten */
inline Take() {
	isFound = false; certain = true;
	if
	:: P.known -> isFound = true; proven = P.proven; resync = P.resync
	:: else -> Find()
	fi;
	P.known = true; P.untold = true; P.pong = NONE;
	at = n; owed = false;
	if
	:: isFound && !resync && proven > 0 ->	/* Remembered */
		P.proven = proven; P.resync = false; pushed = proven;
		assert(!isCalm || proven >= most)	/* a delivered position does not go back */
	:: isFound && (resync || proven == 0) || !isFound && !certain && MISTAKE != 8 ->	/* Forgotten */
		P.proven = 0; P.resync = (MISTAKE != 11); pushed = wal; owed = true;
		if
		:: MISTAKE == 11 -> P.proven = wal
		:: else
		fi
	:: else ->	/* Fresh */
		assert(!isOld);	/* a client never misses a change without a resync */
		P.proven = wal; P.resync = false; pushed = wal; has = wal; isOld = true
	fi;
	cursor = pushed
}

/* Tell is that node n tells the others what the client has proven; bye says that it goes.
 * code: channels/moving Exchange.tell Exchange.learn sources.tells kindTelling; channels/resume Clients.Untold */
inline Tell() {
	m = n; n = 0;
	do
	:: n < NODES ->
		if
		:: n == m || !P.up
		:: n != m && P.up && losses > 0 -> losses--; P.lacks[m] = true
		:: n != m && P.up ->
			if
			:: M.untold && M.known -> Learn()
			:: else
			fi;
			if
			:: P.sees[m] == HasAll && P.lacks[m] -> P.sees[m] = Here
			:: P.sees[m] == Missing || P.sees[m] == Away -> P.sees[m] = Here
			:: else
			fi;
			P.lacks[m] = false;
			if
			:: bye -> P.sees[m] = (P.sees[m] == HasAll -> Away : Missing)
			:: else
			fi
		fi;
		n++
	:: else -> break
	od;
	n = m; P.untold = false
}

/* Empty is a node that is gone. */
inline Empty() {
	P.up = false; P.sure = false; P.known = false; P.resync = false; P.proven = 0; P.untold = false; P.pong = NONE;
	P.isCopied = false; P.copyResync = false; P.copy = 0; i = 0;
	do
	:: i < NODES -> P.sees[i] = Away; P.lacks[i] = false; i++
	:: else -> break
	od;
	if
	:: at == n -> at = NOBODY
	:: else
	fi
}

active proctype world() {
	atomic {
		n = 0;
		do
		:: n < NODES ->
			P.up = true; P.sure = true; P.pong = NONE; m = 0;
			do
			:: m < NODES -> P.sees[m] = (m == n -> Away : HasAll); m++
			:: else -> break
			od;
			n++
		:: else -> break
		od;
		n = 0; m = 0
	}
	do
	:: atomic {
		select(n : 0 .. NODES - 1);
		if
		:: n == 0 && wal <= CHANGES -> wal++
		/* the socket. code: channels/resume Ledger.Mark Ledger.Proven Bookmark.prove record.prove */
		:: at == n && pushed < wal ->
			pushed++;
			if
			:: MISTAKE == 7 -> P.proven = pushed; P.untold = true
			:: else
			fi
		:: at == n && owed -> owed = false; has = cursor; isOld = true	/* resync_required: it reads all anew */
		:: at == n && !owed && cursor < pushed ->
			cursor++;
			assert(cursor <= has + 1);	/* a client never misses a change */
			has = (cursor > has -> cursor : has)
		:: at == n && !owed && P.known && P.pong != cursor && (P.proven != cursor || P.resync) -> P.pong = cursor
		:: P.pong != NONE && P.known ->
			P.proven = P.pong; P.resync = false; P.untold = true;
			most = (P.pong > most -> P.pong : most);
			P.pong = NONE
		:: at == n && moves > 0 -> moves--; at = NOBODY	/* the node need not know */
		:: at == NOBODY && P.up -> Take()
		/* between nodes */
		:: P.up && P.untold -> Tell()
		:: P.up ->	/* code: channels/moving sources.due Exchange.tellAll sources.tellsAll Exchange.learn kindAskAll kindTellAll; channels/resume Clients.Vouch */
			select(m : 0 .. NODES - 1);
			if
			:: m != n && M.up && (P.sees[m] == Here || P.lacks[m] && P.sees[m] == HasAll) ->
				Learn();
				P.sees[m] = HasAll; P.lacks[m] = false; i = 0; isUnsure = !M.sure;
				do
				:: i < NODES -> isUnsure = isUnsure || M.sees[i] == Missing; i++
				:: else -> break
				od;
				P.sure = P.sure || !isUnsure
			:: else
			fi
		/* code: channels/moving Exchange.leave Exchange.tell kindHeard */
		:: P.up && stops > 0 -> stops--; bye = true; Tell(); Empty()
		:: P.up && kills > 0 -> kills--; Empty()
		/* a node is silent. code: channels/moving sources.expire sources.miss questions.forget */
		:: P.up ->
			select(m : 0 .. NODES - 1);
			if
			:: m != n && !M.up && (P.sees[m] == Here || P.sees[m] == HasAll) ->
				P.sees[m] = (MISTAKE == 10 -> Away : Missing)
			:: else
			fi
		:: else
		fi;
		d_step {
			n = 0; m = 0; i = 0; proven = 0; given = 0;
			resync = false; isFound = false; isOwn = false; isGiven = false; isGivenOwn = false;
			givenResync = false; certain = false; isUnsure = false; bye = false
		}
	}
	od
}
