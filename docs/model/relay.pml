/*
 * How the WAL gets from the node that reads the slot to all others, and what a client
 * gets that resumes by a position on any of them. See docs/cluster.md; make model checks it.
 *
 * Each step is named like what does it in the code: a comment "code: PACKAGE NAME ..." says
 * where that is, and a test holds that it is there.
 *
 * What is left out: bytes and times; transactions that come in several batches and what
 * is told of tables (see replication/relay/model_test.go, which has both); other timelines.
 * Each batch but the first of a stream has one transaction. Nobody waits for a time: what
 * may happen after one may happen at once, so a node that is frozen is one that is slow: its
 * stream goes on though another node reads, as Postgres may have sent it all before.
 *
 * MISTAKE plants one of these; 0 is the code as it is:
 *   1  a hole is not seen: a batch is taken if only its number is higher
 *   2  batches of a stream that was read before are taken
 *   3  a new stream is taken, wherever it begins
 *   4  nobody is told to resync if no node has what is missing
 *   5  the log takes again what it has
 *   6  the node that takes over reads from where the WAL ends, not from where it is
 */
#ifndef MISTAKE
#define MISTAKE 0
#endif
#ifndef NODES
#define NODES 3
#endif
#ifndef CHANGES
#define CHANGES 3	/* transactions that are committed */
#endif
#ifndef TERMS
#define TERMS 3		/* streams, so there are two takeovers */
#endif
#ifndef KILLS
#define KILLS 1		/* followers that are killed and start anew; readers are as often as there are streams */
#endif
#ifndef EXPIRIES
#define EXPIRIES 1	/* times that the oldest leaves a log, or what is kept for others */
#endif
#ifndef CLIENTS
#define CLIENTS 1	/* 0 looks at the logs only, which takes less */
#endif
#define PARTS 3		/* stretches of streams that a node keeps for others */
#define NOBODY 255

/* Positions: 1 is where the WAL begins, the transaction p takes it from p-1 to p; 0 is none.
 * All are committed from the beginning: a reader that has not read one is as if it were not. */
#define END (CHANGES + 1)
byte slot = 1;		/* what commits before it Postgres sends no more */
byte holder = NOBODY;	/* the node to which Postgres sends */

/* What is left of the bounds above. */
byte kills = KILLS, expiries = EXPIRIES;

/* A stream is one node's reading of the slot; its index stands for relay.Term. Batch k of
 * it ends at from+k-1; the first is only its opening. */
typedef Stream {
	byte from;
	byte sent;	/* batches */
	byte history	/* of the opening */
};
Stream stream[TERMS + 1];
byte terms = 0;

/* A stretch of one stream that is kept for others: batches first to last. */
typedef Part { byte term; byte first; byte last };

typedef Node {
	/* relay.Place */
	byte term;
	byte number;
	byte upTo;
	/* the log: what lies behind lost, up to head; head is 0 before it has begun */
	byte lost;
	byte head;
	byte history;
	byte reads;	/* the stream that it reads from Postgres; 0 for a follower */
	/* relay.Store, oldest first */
	Part part[PARTS];
	byte parts
};
Node node[NODES];

/* The client: where it is, and up to where it has everything. */
byte at = NOBODY;
byte got = 1;

#define PREV(t, k) (stream[t].from + (k) - 1 - ((k) > 1))
#define LAST(t, k) (stream[t].from + (k) - 1)
#define NEWEST(m) node[m].part[node[m].parts-1].term
/* What a step works with; between two steps it means nothing, and is 0. */
byte n, s, nr, i, m, r, k, t, x, story, begins, found, gap, gapPrev, gapFirst;
bool hears, forgets, isBeat, wasBeat, takes, isOfAnswer, isPrelude, isAnswer, isAnew, complete;

#define P node[n]

mtype = { Drop, Take, Nothing, Hole };	/* code: replication/relay Drop Take Nothing Hole */
mtype verdict = Nothing;

/* Judge says what node n does with batch k of stream t, or with a beat that has its number. code: replication/relay Place.Judge Place.After */
inline Judge() {
	if
	:: MISTAKE == 2 && t < P.term && !isBeat && k == P.number + 1 -> verdict = Take
	:: else ->
		if
		:: t < P.term -> verdict = Drop
		:: t > P.term && !isBeat && k == 1 && P.upTo > 0 && (stream[t].from <= P.upTo || MISTAKE == 3) -> verdict = Take
		:: else ->
			if
			:: t > P.term || P.number == 0 -> verdict = Hole
			:: else ->
				if
				:: isBeat && k == P.number -> verdict = Nothing
				:: !isBeat && (k == P.number + 1 || MISTAKE == 1 && k > P.number) -> verdict = Take
				:: k <= P.number && !(isBeat && k == P.number) -> verdict = Drop
				:: else -> verdict = Hole
				fi
			fi
		fi
	fi
}

/* Forget empties a node, as when it is killed. Its client loses the connection. */
inline Forget() {
	P.term = 0; P.number = 0; P.upTo = 0;
	P.lost = 0; P.head = 0; P.history = 0; P.reads = 0;
	Reset();
	if
	:: at == n -> at = NOBODY
	:: else
	fi
}

/* Reset empties what is kept for others. code: replication/relay Store.reset */
inline Reset() {
	i = 0;
	do
	:: i < PARTS -> P.part[i].term = 0; P.part[i].first = 0; P.part[i].last = 0; i++
	:: else -> break
	od;
	P.parts = 0
}

/* Oldest lets go of the oldest stretch. */
inline Oldest() {
	i = 1;
	do
	:: i < PARTS ->
		P.part[i-1].term = P.part[i].term; P.part[i-1].first = P.part[i].first; P.part[i-1].last = P.part[i].last;
		i++
	:: else -> break
	od;
	P.part[PARTS-1].term = 0; P.part[PARTS-1].first = 0; P.part[PARTS-1].last = 0;
	P.parts--
}

/* Add keeps a batch for others. code: replication/relay Store.Add Batch.precedes Store.Expire */
inline Add() {
	if
	:: P.parts > 0 && P.part[P.parts-1].term == t && P.part[P.parts-1].last + 1 == k ->
		P.part[P.parts-1].last = k
	:: else ->
		if
		:: P.parts > 0 && !(k == 1 && stream[t].from <= LAST(P.part[P.parts-1].term, P.part[P.parts-1].last)
				&& P.part[P.parts-1].term != t) -> Reset()
		:: else
		fi;
		if
		:: P.parts == PARTS -> Oldest()
		:: else
		fi;
		P.part[P.parts].term = t; P.part[P.parts].first = k; P.part[P.parts].last = k;
		P.parts++
	fi
}

/* Begin has the log begin a history (story) at a position (begins); its readers are told to resync, unless it goes on.
 * code: replication/changelog Log.Begin */
inline Begin() {
	if
	:: P.head != 0 && P.history == story && begins <= P.head	/* nothing happens */
	:: else ->
		if	/* a client that waits for the log to come as far as it has come waits on */
		:: at == n && (got <= P.head || got < begins) -> got = begins	/* resync_required */
		:: else
		fi;
		P.history = story; P.lost = begins; P.head = begins
	fi
}

/* Append has the log take the transaction that ends at x, and its client get it.
 * code: replication/changelog Log.Append */
inline Append() {
	if
	:: x > P.head || MISTAKE == 5 ->
		/* A follower's log is a contiguous part of the WAL. */
		assert(x == P.head + 1 || MISTAKE == 5);
		if
		:: at == n && got <= P.head ->
			assert(x > got);	/* a delivered position does not go back */
			assert(x == got + 1);	/* and nothing is missed */
			got = x
		:: else
		fi;
		if
		:: x > P.head -> P.head = x
		:: else
		fi
	:: else
	fi
}

/* TakeBatch is what a follower does with batch k of stream t, which it may take. isPrelude says that it
 * stands for all before batch k+1. code: replication follower.take follower.open follower.beginHistory */
inline TakeBatch() {
	if
	:: k == 1 || isPrelude ->
		if
		:: P.head == 0 || P.history != stream[t].history || P.upTo == 0 ->
			story = stream[t].history; begins = (isPrelude -> LAST(t, k) : stream[t].from);
			Begin()
		:: else
		fi
	:: else
	fi;
	if
	:: isPrelude -> Reset()	/* what it keeps begins with the batch after it */
	:: else ->
		assert(PREV(t, k) <= P.head);	/* all before the batch is in the log */
		if
		:: k > 1 -> x = LAST(t, k); Append()
		:: else
		fi;
		Add()
	fi;
	P.term = t; P.number = k;
	if
	:: LAST(t, k) > P.upTo -> P.upTo = LAST(t, k)
	:: else
	fi
}

/* Seek finds in what node m keeps the first batch that node n can go on with: isAnswer is
 * false if there is none. code: replication/relay Store.Answer Store.seek */
inline Seek() {
	isAnswer = false; isAnew = false; r = 0; k = 0;
	if
	:: node[m].parts == 0
	:: else ->
		i = node[m].parts - 1;
		if
		:: node[m].part[i].term < P.term || node[m].part[i].term == P.term && node[m].part[i].last <= P.number
		:: else ->
			isAnswer = true;
			i = 0;
			do	/* what comes next */
			:: i < node[m].parts && k == 0 ->
				if
				:: P.number > 0 && node[m].part[i].term == P.term && node[m].part[i].first <= P.number + 1 && P.number + 1 <= node[m].part[i].last ->
					r = i; k = P.number + 1
				:: else
				fi;
				i++
			:: else -> break
			od;
			i = node[m].parts;
			do	/* or a later stream that begins where the node is, the newest first */
			:: i > 0 && k == 0 ->
				i--;
				if
				:: node[m].part[i].first == 1 && P.upTo > 0 && stream[node[m].part[i].term].from <= P.upTo && node[m].part[i].term > P.term ->
					r = i; k = 1
				:: else
				fi
			:: else -> break
			od;
			if	/* or all that there is */
			:: k == 0 -> isAnew = true; k = node[m].part[0].first
			:: else
			fi
		fi
	fi
}

/* Ask has node n ask the others in any order, of which some do not answer, and chooses the
 * answer to go on with. code: replication follower.fill; replication/relay Choice.Offer
 * Choice.Best Place.goesOnWith */
inline Ask() {
	isBeat = false; complete = true; found = NOBODY; gap = NOBODY; gapPrev = 0; gapFirst = 0; m = 0;
	do
	:: m < NODES && found == NOBODY ->
		if
		:: m == n
		:: m != n -> complete = false	/* no answer in time */
		:: m != n ->
			Seek();
			if
			:: !isAnswer
			:: isAnswer ->
				t = node[m].part[r].term;
				Judge();
				if
				:: isAnew && P.upTo != 0 && PREV(t, k) > P.upTo ->	/* Answer.Gap */
					if
					:: gap == NOBODY || PREV(t, k) < gapPrev -> gap = m; gapPrev = PREV(t, k); gapFirst = k
					:: else
					fi
				:: else ->
					if
					:: verdict == Take && !(isAnew && k > 1) -> found = m
					:: verdict != Take && NEWEST(m) >= P.term && (P.upTo == 0 || PREV(t, k) <= P.upTo) && (isAnew || k == 1) -> found = m
					:: verdict == Take && isAnew && k > 1 && NEWEST(m) >= P.term -> found = m
					:: else
					fi
				fi
			fi
		fi;
		m++
	:: else -> break
	od;
	if
	:: found == NOBODY && gap != NOBODY && complete && NEWEST(gap) >= P.term ->
		found = gap; r = 0; k = gapFirst; isAnew = true;
		if
		:: MISTAKE != 4 -> P.term = 0; P.number = 0; P.upTo = 0	/* its client has to resync */
		:: else
		fi
	:: else
	fi;
	if
	:: found != NOBODY ->
		t = node[found].part[r].term;
		takes = true; isOfAnswer = true;
		if
		:: isAnew && k > 1 -> isPrelude = true; k--
		:: else
		fi
	:: else
	fi
}

/* Hear is what a follower does with batch nr of stream s, or its beat, which the bus brings;
 * it asks others if something is missing before it. Without a number it only asks.
 * code: replication follower.hear follower.takeAnswer */
inline Hear() {
	t = s; k = nr; wasBeat = isBeat; takes = false; found = NOBODY;
	if
	:: nr == 0 -> verdict = Hole
	:: else -> Judge()
	fi;
	if
	:: verdict == Take -> takes = true
	:: verdict == Hole -> Ask()
	:: else
	fi;
	do
	:: takes ->
		TakeBatch();
		takes = false; isPrelude = false;
		if
		:: isOfAnswer ->
			if	/* the rest of the answer, as far as it fits in */
			:: isOfAnswer = false
			:: k < node[found].part[r].last -> k++
			:: k == node[found].part[r].last && r + 1 < node[found].parts ->
				r++; t = node[found].part[r].term; k = node[found].part[r].first
			fi;
			if
			:: !isOfAnswer -> t = s; k = nr; isBeat = wasBeat	/* and what was heard */
			:: else
			fi;
			if
			:: k == 0
			:: else -> Judge(); takes = (verdict == Take)
			fi
		:: else
		fi
	:: else -> break
	od
}

/* TakeOver has node n read the slot, as nobody does, from where it has come.
 * code: replication succession.await continuity.goOnAt continuity.goesOn publisher.begin; replication/relay NewWriter */
inline TakeOver() {
	terms++;
	holder = n;
	P.reads = terms;
	if
	:: MISTAKE == 6 && P.head != 0 -> stream[terms].from = END; stream[terms].history = P.history
	:: MISTAKE != 6 && P.head != 0 && slot <= P.head -> stream[terms].from = P.head; stream[terms].history = P.history
	:: MISTAKE != 6 && P.head != 0 && slot > P.head ->	/* slot_advanced: what was between is lost */
		stream[terms].from = slot; stream[terms].history = terms
	:: P.head == 0 -> stream[terms].from = slot
	fi;
	if
	:: MISTAKE == 6 && P.head != 0
	:: else -> story = stream[terms].history; begins = stream[terms].from; Begin()
	fi;
	assert(stream[terms].from <= P.head);	/* all before the stream is in the log */
	stream[terms].sent = 1;
	t = terms; k = 1; Add();
	P.term = 0; P.number = 0; P.upTo = 0
}

/* Read is that the reader gets the next transaction, has its log take it, and publishes it.
 * code: replication appender.appendComplete publisher.message publisher.flush; replication/relay Writer.Message */
inline Read() {
	t = P.reads;
	stream[t].sent++;
	k = stream[t].sent;
	x = LAST(t, k);
	Append();
	Add()
}

/* Connect is that the client comes to node n and resumes by its position.
 * code: replication/changelog Log.After Log.at CodeTooOld */
inline Connect() {
	at = n;
	if
	:: got < P.lost -> got = P.head			/* resync_required, position_too_old */
	:: got >= P.lost && got < P.head -> got = P.head	/* it gets all between */
	:: else						/* it waits for the log to come that far */
	fi
}

#define READS(n) (node[n].reads != 0 && LAST(node[n].reads, stream[node[n].reads].sent) < END)

active proctype world() {
	do
	:: atomic {
		select(n : 0 .. NODES - 1);
		if
		/* The reader is killed, cut off, or frozen; it does not know yet. */
		:: holder == n && terms < TERMS -> holder = NOBODY
		:: READS(n) -> Read()
		:: holder == NOBODY && P.reads == 0 && terms < TERMS && (terms > 0 || n == 0) -> TakeOver()
		/* It is gone, or sees that another reads. code: replication ErrTakenOver */
		:: P.reads != 0 && holder != n -> forgets = true
		:: kills > 0 && P.reads == 0 && P.head != 0 -> kills--; forgets = true
		/* The bus may lose what was sent, and bring it at any time, in any order, once or more. */
		:: P.reads == 0 && terms > 0 ->
			select(s : 1 .. terms);
			select(nr : 1 .. stream[s].sent);
			hears = true;
			if
			:: true
			:: nr == stream[s].sent -> isBeat = true	/* code: replication publisher.beat; replication/relay Writer.Beat Batch.IsBeat */
			fi
		:: P.reads == 0 && P.number == 0 && terms > 0 -> hears = true	/* asks */
		/* Time passes. code: replication/changelog Log.Release; replication acknowledger.release */
		:: expiries > 0 && P.lost < P.head ->
			expiries--; P.lost++;
			if
			:: holder == n && slot < P.lost -> slot = P.lost
			:: else
			fi
		:: expiries > 0 && P.parts > 0 && (P.parts > 1 || P.part[0].first < P.part[0].last) ->
			expiries--;
			if
			:: P.part[0].first < P.part[0].last -> P.part[0].first++
			:: else -> Oldest()
			fi
		/* the client */
		:: CLIENTS > 0 && at != n && P.head != 0 -> Connect()
		:: else
		fi;
		if
		:: hears -> Hear()
		:: else
		fi;
		if
		:: forgets -> Forget()
		:: else
		fi;;
		d_step {
			n = 0; s = 0; nr = 0; i = 0; m = 0; r = 0; k = 0; t = 0; x = 0; story = 0; begins = 0;
			found = 0; gap = 0; gapPrev = 0; gapFirst = 0;
			hears = false; forgets = false; isBeat = false; wasBeat = false; takes = false; isOfAnswer = false;
			isPrelude = false; isAnswer = false; isAnew = false; complete = false; verdict = Nothing
		}
	}
	od
}
