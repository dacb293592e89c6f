/*
 * The doorbell protocol of src/memory/doorbell.ts and ring.ts, in one direction: a writer that may wait for room, a reader that may
 * wait for data. Steps are named after the methods.
 *
 * Atomic stores and loads are sequentially consistent, as JavaScript's are. A plain store goes through a store buffer of one
 * entry, as on x86: it becomes visible some time later, and the writer's own atomic operations flush it first.
 *
 * Checked: no lost wake-up (no end state in which somebody sleeps while there is something for it to do), no record lost or
 * read twice, head and tail within their bounds. With KILL either side may die before any step that the other could see: that is
 * the socket's end for the other, who then has read all that was published, and waits for nothing. duplex.pml has both directions
 * at once.
 *
 * Mutants, each of which must fail (scripts/model.ts runs them):
 *   PLAIN_TAIL      the tail is published by a plain store
 *   PLAIN_SLEEP     the reader's sleep counter is stored plainly
 *   PLAIN_HEAD      the head is (found out where the ring holds one record: CAP=1)
 *   PLAIN_ROOM      the writer's sleep counter is
 *   NO_SECOND_LOOK  the reader does not look again after it armed
 *   NO_ROOM_LOOK    the writer does not look again after it armed
 *   RING_ONCE       a writer answers only the first sleep
 *   NO_HALF         the reader rings for room only when the ring is exactly half free (and may step over it)
 */
#ifndef N
#define N 5      /* records to send */
#endif
#ifndef CAP
#define CAP 2    /* records the ring holds */
#endif
#define HALF (CAP / 2)

int tail = 0, head = 0;            /* shared words, written by one side each */
int dataSleep = 0, spaceSleep = 0; /* sleep counters: odd = asleep */
int bellToReader = 0, bellToWriter = 0; /* packets in the sockets */
bool writerGone = false, readerGone = false;
int consumed = 0;

/* one-entry store buffers for the plain-store mutants */
int bufTail = -1; int bufSleep = -1; int bufHead = -1; int bufRoom = -1;
#define FLUSH_W if :: bufTail >= 0 -> tail = bufTail; bufTail = -1 :: else fi; if :: bufRoom >= 0 -> spaceSleep = bufRoom; bufRoom = -1 :: else fi
#define FLUSH_R if :: bufSleep >= 0 -> dataSleep = bufSleep; bufSleep = -1 :: else fi; if :: bufHead >= 0 -> head = bufHead; bufHead = -1 :: else fi

active proctype memory() { /* drains the store buffers at any time */
end:
  do
  :: atomic { bufTail >= 0 -> tail = bufTail; bufTail = -1 }
  :: atomic { bufSleep >= 0 -> dataSleep = bufSleep; bufSleep = -1 }
  :: atomic { bufHead >= 0 -> head = bufHead; bufHead = -1 }
  :: atomic { bufRoom >= 0 -> spaceSleep = bufRoom; bufRoom = -1 }
  od
}

active proctype writer() {
  int sent = 0, seen = 0, answered = 0, mySleep = 0;
#ifdef KILL
  bool mortal = true;
#endif
  do
  :: sent < N ->
#ifdef KILL
     if :: mortal -> goto dead :: skip fi;
#endif
     /* hasRoomFor */
     atomic { seen = head };
     if
     :: sent - seen < CAP ->
        sent++;
#ifdef PLAIN_TAIL
        atomic { bufTail < 0 -> bufTail = sent };
#else
        atomic { FLUSH_W; tail = sent };          /* SYNC ring.tail */
#endif
#ifdef KILL
        if :: mortal -> goto dead :: skip fi;
#endif
        /* Ringer.owes: the load is not delayed by the buffered store */
        atomic {
          if
#ifdef RING_ONCE
          :: (dataSleep & 1) && answered == 0 -> answered = dataSleep; bellToReader++
#else
          :: (dataSleep & 1) && dataSleep != answered -> answered = dataSleep; bellToReader++
#endif
          :: else
          fi
        }
     :: else ->
        /* armForSpace: arm, look once more, sleep */
        if :: mySleep & 1 -> mySleep = mySleep + 2 :: else -> mySleep = mySleep + 1 fi;
#ifdef PLAIN_ROOM
        atomic { bufRoom < 0 -> bufRoom = mySleep };
#else
        atomic { FLUSH_W; spaceSleep = mySleep };
#endif
#ifdef KILL
        if :: mortal -> goto dead :: skip fi;
#endif
#ifndef NO_ROOM_LOOK
        atomic { seen = head };
        if
        :: CAP - (sent - seen) >= HALF + (CAP & 1) && sent - seen < CAP -> skip
        :: else ->
#endif
           if
           :: atomic { bellToWriter > 0 -> bellToWriter-- }
           :: readerGone -> goto done
           fi;
#ifndef NO_ROOM_LOOK
        fi;
#endif
        mySleep = mySleep + 1;
        atomic { FLUSH_W; spaceSleep = mySleep }
     fi
  :: else -> break
  od;
#ifndef KILL
  readerGone;                                     /* lives on: its end would wake the reader and hide a lost bell */
#endif
done:
  atomic { FLUSH_W };
#ifdef KILL
dead:
  atomic { FLUSH_W };
#endif
  writerGone = true
}

active proctype reader() {
  int have = 0, seen = 0, answered = 0, mySleep = 0;
  bool over = false;
  do
  :: consumed < N ->
#ifdef KILL
     if :: goto dead :: skip fi;
#endif
     /* RingReader.next */
     atomic { seen = tail };
     assert(seen - have >= 0 && seen - have <= CAP);
     if
     :: seen != have ->
        have++;
        consumed++;
#ifdef PLAIN_HEAD
        atomic { bufHead < 0 -> bufHead = have };
#else
        atomic { FLUSH_R; head = have };          /* SYNC ring.head */
#endif
#ifdef KILL
        if :: goto dead :: skip fi;
#endif
        /* Link.release: rings when at most half is used, by the tail as last seen */
        atomic {
          if
#ifdef NO_HALF
          :: (seen - have == HALF && HALF > 0 && (have & 1)) && (spaceSleep & 1) && spaceSleep != answered -> answered = spaceSleep; bellToWriter++
#else
          :: (seen - have <= HALF) && (spaceSleep & 1) && spaceSleep != answered -> answered = spaceSleep; bellToWriter++
#endif
          :: else
          fi
        }
     :: else ->
        if :: over -> break :: else fi;
        /* armForData: arm, look once more, sleep */
        if :: mySleep & 1 -> mySleep = mySleep + 2 :: else -> mySleep = mySleep + 1 fi;
#ifdef PLAIN_SLEEP
        atomic { bufSleep < 0 -> bufSleep = mySleep };
#else
        atomic { FLUSH_R; dataSleep = mySleep };
#endif
#ifdef KILL
        if :: goto dead :: skip fi;
#endif
#ifndef NO_SECOND_LOOK
        atomic { seen = tail };
        if
        :: seen != have -> skip
        :: else ->
#endif
           if
           :: atomic { bellToReader > 0 -> bellToReader-- }
           :: writerGone -> over = true           /* the socket's end: drain, then stop */
           fi;
#ifndef NO_SECOND_LOOK
        fi;
#endif
        mySleep = mySleep + 1;
        atomic { FLUSH_R; dataSleep = mySleep }
     fi
  :: else -> break
  od;
#ifdef KILL
  assert(consumed == N || have == tail);
dead:
#else
  assert(consumed == N);
#endif
  readerGone = true
}
