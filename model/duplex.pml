/*
 * The doorbell protocol in both directions at once: two sides that each write and read, and that sleep for data and for room at
 * the same time on one socket. What doorbell.pml says of one direction, with its plain stores, is taken for granted here: all
 * stores are atomic. Steps are named after src/memory/doorbell.ts, link.ts and ring.ts, and the sleep after src/ports/blocking.ts.
 *
 * A bell says nothing but that something happened. So one bell may stand for two reasons, may be left unread when what it told
 * of was found anyway, and is not sent when the socket takes no more.
 *
 * Checked: no end state in which a side sleeps while there is something for it to do; head and tail within their bounds; who is
 * left when the other died (KILL: before any step) has read everything that was published, and waits for nothing.
 *
 * Mutants, each of which must fail (scripts/model.ts runs them):
 *   NO_SECOND_LOOK  a side does not look for data again after it armed
 *   NO_ROOM_LOOK    it does not look for room again
 *   TAKE_LATE       it reads its bells after the second look
 *   STAYS_ODD       a sleep that begins while the counter is odd does not change it
 *   NO_ROOM_BELL    a reader that made room rings nobody
 *   NO_END          who sleeps does not see the other's end (with KILL)
 */
#ifndef N
#define N 3      /* records to send, each way */
#endif
#ifndef CAP
#define CAP 1    /* records a ring holds */
#endif
#define HALF (CAP / 2)

byte tail[2], head[2];                 /* head[i]: what side i consumed of the other's ring */
byte dataSleep[2], spaceSleep[2];      /* odd = asleep */
bool bell[2];                          /* a packet waits in this side's socket: no more fit */
bool gone[2], finished[2];

#ifdef KILL
#define MORTAL if :: skip :: goto dead fi
#else
#define MORTAL skip
#endif

#ifdef STAYS_ODD
#define ARM(counter) counter = counter | 1
#else
#define ARM(counter) counter = counter + (counter & 1 -> 2 : 1)
#endif
#define DISARM(counter) counter = counter + (counter & 1)

/* Ringer.owes, and the bell: two steps, between which a side may die. */
inline owes(counter, answered) {
  atomic { rings = (counter & 1) && counter != answered; if :: rings -> answered = counter :: else fi };
  if
  :: rings -> MORTAL; atomic { bell[other] = true; rings = false }
  :: else
  fi
}

proctype side(byte me) {
  byte other = 1 - me, sent = 0, have = 0, seen = 0, answeredData = 0, answeredSpace = 0;
  bool rings = false, moved = false, over = false;
  do
  :: (sent < N && !over) || have < N ->
     MORTAL;
     /* RingWriter.write: SYNC ring.head, ring.tail */
     atomic {
       seen = head[other];
       assert(seen <= sent && sent - seen <= CAP);
       moved = sent < N && !over && sent - seen < CAP;
       seen = 0;
       if :: moved -> sent++ :: else fi
     };
     if
     :: moved ->
        MORTAL;
        tail[me] = sent;
        owes(dataSleep[other], answeredData)
     :: else
     fi;
     MORTAL;
     /* RingReader.next, Link.release: SYNC ring.tail, ring.head */
     atomic { seen = tail[other]; assert(seen >= have && seen - have <= CAP) };
     if
     :: seen != have ->
        atomic { have++; moved = true; head[me] = have };
        if
#ifndef NO_ROOM_BELL
        :: seen - have <= HALF -> seen = 0; owes(spaceSleep[other], answeredSpace)
#endif
        :: else
        fi
     :: else
     fi;
     seen = 0;
     if
     :: moved -> moved = false
     :: !moved && over -> break                             /* drained: nothing more will come */
     :: !moved && !over ->
        /* sleepForRoom: arm for both, look once more at both, sleep */
        atomic { ARM(dataSleep[me]) };
        if :: sent < N -> atomic { ARM(spaceSleep[me]) } :: else fi;
        MORTAL;
#ifndef NO_SECOND_LOOK
        if :: tail[other] != have -> goto awake :: else fi;
#endif
#ifndef NO_ROOM_LOOK
        if :: sent < N && CAP - (sent - head[other]) >= HALF + (CAP & 1) -> goto awake :: else fi;
#endif
#ifdef TAKE_LATE
        bell[me] = false;
#endif
        if
        :: bell[me]
#ifndef NO_END
        :: gone[other] -> over = true
#endif
        fi;
awake:
#ifndef STAYS_ODD
        atomic { DISARM(dataSleep[me]) };
        atomic { DISARM(spaceSleep[me]) };
#endif
        /* what was told of is there: its bell may wait */
        if :: tail[other] != have :: else -> bell[me] = false fi
     fi
  :: else -> break
  od;
  assert(have == N || have == tail[other]);
  /* It lives on: its end would wake the other, and hide a lost bell. */
  finished[me] = true;
  finished[other] || gone[other];
  goto done;
dead:
  gone[me] = true;
done:
  skip
}

init { atomic { run side(0); run side(1) } }
