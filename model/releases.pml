/*
 * Regions of a section and their way back: an owner that sends views of them to two receivers, which release them by a row of numbers
 * and a count, each in memory of its own (src/memory/releases.ts); an owner that waits for a region (region-waits.ts, Section.#allot);
 * the bell of a receiver that released something (Link.ringForViews). Steps are named after the methods. Records in the ring are a channel here:
 * doorbell.pml has them.
 *
 * Checked: a region is used again only when its owner and every receiver have released it, so nobody sees another message's bytes in its
 * view; each view comes back exactly once, whatever the receiver's death comes between; the row never has a number
 * that the owner does not know; who waits for a region is woken (no end state in which it sleeps); in the end everything is free.
 * With KILL one receiver may die before any step that the owner could see.
 *
 * Mutants, each of which must fail:
 *   PLAIN_COUNT     the count is published by a plain store, which may become visible later
 *   COUNT_FIRST     the count is stored before the number that it counts
 *   NO_SECOND_LOOK  the owner does not look again after it armed
 *   ARM_ONE         it arms one connection only, and sleeps for both
 *   NO_BELL         who releases looks for no sleeper
 *   RELEASE_EARLY   a receiver looks once more at what it has released
 *   OWNER_ONLY      a region is free when its owner has released it
 *   OWNER_NOT       a region is free when its receivers have released it
 *   NO_LIMIT        more views are sent than the row has places
 *   ONE_NUMBER      a view's number is used again while it is out
 *   KILL DEATH_KEEPS  what a dead receiver held does not come back
 *   KILL DEATH_TWICE  what it held comes back, and what it had released once more
 * ONE_NUMBER needs PLACES=2: of one view nothing can be mixed up.
 */
#ifndef N
#define N 3        /* messages to send, each to both */
#endif
#ifndef REGIONS
#define REGIONS 2
#endif
#ifndef PLACES
#define PLACES 1   /* of the row, and views that a receiver takes at once */
#endif
#define HELD 2     /* that a receiver holds before it reads on */
#define OUT(me, view) out[(me) * (N + 1) + (view)]
#define ROW(me, place) row[(me) * PLACES + (place) % PLACES]

/* the owner's, in private memory: who uses a region, and which view of whom is of which region (0: none) */
byte users[REGIONS];
bool owned[REGIONS];
byte out[2 * (N + 1)];
byte outs[2], seen[2];
bool ended[2];
/* shared memory */
byte content[REGIONS];                 /* written by the owner: the number of the message that it belongs to */
byte row[2 * PLACES], released[2];     /* written by the receiver */
byte viewSleep[2];                     /* written by the owner */
byte bell[2];                          /* in the sockets */
bool gone[2], ownerGone = false;
chan records0 = [N] of { byte, byte, byte };
chan records1 = [N] of { byte, byte, byte };

#ifdef PLAIN_COUNT
byte buffered[2];
active proctype memory() {             /* drains the store buffers at any time */
end:
  do
  :: atomic { buffered[0] > 0 -> released[0] = buffered[0]; buffered[0] = 0 }
  :: atomic { buffered[1] > 0 -> released[1] = buffered[1]; buffered[1] = 0 }
  od
}
#endif

/* OutgoingViews.takeBack, Region.comeBack */
inline takeBack(me, view) {
  assert(OUT(me, view) > 0);
  users[OUT(me, view) - 1]--;
#ifdef OWNER_NOT
  assert(users[OUT(me, view) - 1] > 0 || !owned[OUT(me, view) - 1]);
#endif
#ifndef DEATH_TWICE
  OUT(me, view) = 0;
#endif
  outs[me]--
}

/* OutgoingViews.collect; at the connection's end OutgoingViews.end, which takes back what is out */
inline collect(me) {
  if
  :: ended[me] -> skip
  :: !ended[me] && gone[me] ->
     d_step {
       ended[me] = true;
#ifndef DEATH_KEEPS
       i = 1;
       do
       :: i <= N && OUT(me, i) > 0 -> assert(users[OUT(me, i) - 1] > 0); users[OUT(me, i) - 1]--; OUT(me, i) = 0; i++
       :: i <= N && OUT(me, i) == 0 -> i++
       :: i > N -> break
       od;
       outs[me] = 0;
#endif
       i = 0
     }
  :: !ended[me] && !gone[me] ->
     count = released[me];                                          /* SYNC view.released */
     assert(count - seen[me] <= outs[me]);
     do
     :: seen[me] < count -> d_step { i = ROW(me, seen[me]); takeBack(me, i); seen[me]++; i = 0 }
     :: else -> break
     od;
     count = 0
  fi
}

inline allot() {
  d_step {
    region = 0;
    do
#ifdef OWNER_ONLY
    :: region < REGIONS && owned[region] -> region++
    :: region < REGIONS && !owned[region] -> break
#else
    :: region < REGIONS && users[region] > 0 -> region++
    :: region < REGIONS && users[region] == 0 -> break
#endif
    :: region == REGIONS -> break
    od
  }
}

/* OutgoingViews.attach, and the record */
inline send(me, records) {
  collect(me);
  if
#ifdef NO_LIMIT
  :: !ended[me] ->
#else
  :: !ended[me] && outs[me] < PLACES ->
#endif
     atomic {
#ifdef ONE_NUMBER
       view = 1;
#else
       view = number;
#endif
       OUT(me, view) = region + 1; outs[me]++; users[region]++;
       records ! view, region, number
     }
  :: else -> skip                                                   /* it takes no more, or is gone */
  fi
}

inline arm(me) {
  viewSleep[me] = viewSleep[me] + 1 + (viewSleep[me] & 1)           /* SYNC bell.sleep */
}

/* RegionWaits.#sleep: connections that have a view of the section */
inline sleep() {
  arm(0);
#ifndef ARM_ONE
  arm(1);
#endif
#ifndef NO_SECOND_LOOK
  if
  :: !ended[0] && (released[0] != seen[0] || gone[0]) -> skip
  :: else ->
     if
     :: !ended[1] && (released[1] != seen[1] || gone[1]) -> skip
     :: else ->
#endif
        if
        :: atomic { bell[0] > 0 -> bell[0]-- }
        :: atomic { bell[1] > 0 -> bell[1]-- }
        :: gone[0] && !ended[0] -> skip                             /* the socket's end */
        :: gone[1] && !ended[1] -> skip
        fi;
#ifndef NO_SECOND_LOOK
     fi
  fi;
#endif
  d_step {                                                          /* disarm */
    if :: viewSleep[0] & 1 -> viewSleep[0]++ :: else fi;
    if :: viewSleep[1] & 1 -> viewSleep[1]++ :: else fi
  }
}

active proctype owner() {
  byte number = 1, region, view, i, count;
  do
  :: number <= N ->
     allot();
     if
     :: region == REGIONS -> collect(0); collect(1); allot()
     :: else
     fi;
     if
     :: region == REGIONS -> sleep()
     :: else ->
        atomic {
          owned[region] = true;
#ifndef OWNER_NOT
          users[region]++;
#endif
          content[region] = number
        };
        send(0, records0);
        if :: collect(0) :: skip fi;                                 /* what comes back is taken whenever somebody rings */
        send(1, records1);
        atomic {                                                    /* View.release */
          owned[region] = false;
#ifndef OWNER_NOT
          users[region]--;
#endif
          number++; region = 0; view = 0
        }
     fi
  :: else -> break
  od;
  do                                                                /* everything comes back */
  :: outs[0] + outs[1] > 0 ->
     collect(0); collect(1);
     if :: outs[0] + outs[1] > 0 -> sleep() :: else fi
  :: else -> break
  od;
#if REGIONS > 1
  assert(users[0] == 0 && users[1] == 0);
#else
  assert(users[0] == 0);
#endif
  ownerGone = true
}

/* ReleaseWriter.release, IncomingViews.release */
inline release(at) {
#ifdef COUNT_FIRST
  mine++;
  released[me] = mine;
  ROW(me, mine - 1) = views[at];
#else
  ROW(me, mine) = views[at];
  mine++;
#ifdef PLAIN_COUNT
  atomic { buffered[me] == 0 -> buffered[me] = mine };
#else
  released[me] = mine;                                              /* SYNC view.released */
#endif
#endif
#ifdef KILL
  if :: me == 0 -> goto dead :: skip fi;
#endif
#ifndef NO_BELL
  atomic {                                                          /* Ringer.owes: not delayed by a buffered store */
    if
    :: (viewSleep[me] & 1) && viewSleep[me] != answered -> answered = viewSleep[me]; bell[me]++
    :: else
    fi
  };
#endif
#ifdef RELEASE_EARLY
  assert(content[regions[at]] == numbers[at]);
#endif
  d_step { views[at] = 0; regions[at] = 0; numbers[at] = 0 }
}

inline look(at) {
  assert(views[at] == 0 || content[regions[at]] == numbers[at])
}

proctype receiver(byte me; chan records) {
  byte views[HELD], regions[HELD], numbers[HELD];
  byte mine = 0, answered = 0;
  do
  :: views[0] == 0 && nempty(records) -> atomic { records ? views[0], regions[0], numbers[0] }
  :: views[0] > 0 && views[1] == 0 && nempty(records) -> atomic { records ? views[1], regions[1], numbers[1] }
  :: views[0] > 0 -> look(0); release(0)
  :: views[1] > 0 -> look(1); release(1)
#ifdef KILL
  :: me == 0 -> goto dead
#endif
  :: ownerGone && empty(records) && views[0] == 0 && views[1] == 0 -> break
  od;
dead:
  gone[me] = true
}

init {
  atomic { run receiver(0, records0); run receiver(1, records1) }
}
