/*
 * One awaited request and everything that can end it: its reply, the caller's giving up (timeout or signal), the server's declining,
 * the end of the connection from either side. Steps are named after src/ports: Outbound.cancelRequest, Inbound.readReply,
 * Inbound.readCancel, Connection.end.
 *
 * Checked: the call settles exactly once, whatever the order; the server's request is answered, given up or never seen, and no two of
 * these; a request that was taken back unread is not delivered; an answer that was published before the server's end is what the
 * call settles with, unless it was given up before.
 *
 * Mutants, each of which must fail:
 *   NO_TAKE         a reply settles without taking the call out of the table
 *   NO_FORGET       a cancellation does not take the request out of the unanswered ones
 *   RETRACT_ONLY    giving up only marks the record and sends no cancellation
 *   END_FORGETS     the end of the connection does not settle the calls
 *   END_NO_DRAIN    the end of the connection settles the calls before what the server left has been read
 */
mtype = { REQUEST, REPLY, CANCEL };

chan toServer = [3] of { mtype };
chan toClient = [3] of { mtype };
bool retracted = false;      /* the mark on the request's record, in the client's own ring */
bool clientGone = false, serverGone = false;

int settled = 0;             /* outcomes of the call */
bool inTable = false;        /* the client's table of calls */
int delivered = 0;           /* requests that the server's receiver saw */
int finished = 0;            /* answered or given up by the server */
bool unanswered = false;
bool answered = false;       /* a reply was published */

#define SETTLE settled++; assert(settled == 1)
#ifdef NO_TAKE
#define TAKE skip
#else
#define TAKE inTable = false
#endif

active proctype client() {
  bool gaveUp = false;
  atomic { inTable = true; toServer ! REQUEST };
  do
  :: atomic { nempty(toClient) -> toClient ? REPLY;
       if :: inTable -> TAKE; SETTLE :: else /* late: dropped and counted */ fi }
  :: atomic { inTable && !gaveUp && empty(toClient) ->   /* the reply that is there wins */
       gaveUp = true; inTable = false; retracted = true; SETTLE;
#ifndef RETRACT_ONLY
       toServer ! CANCEL
#endif
     }
#ifdef END_NO_DRAIN
  :: atomic { serverGone ->
#else
  :: atomic { serverGone && empty(toClient) ->            /* Connection.end: drain first, then settle */
#endif
#ifndef END_FORGETS
       if :: inTable -> inTable = false; SETTLE; assert(!answered) :: else fi;
#endif
       break }
  :: atomic { settled == 1 && !clientGone -> clientGone = true; break } /* closes, or dies, some time after */
  :: atomic { clientGone = true; if :: inTable -> inTable = false; SETTLE :: else fi; break } /* closes with the call outstanding */
  od;
  assert(settled == 1)
}

active proctype server() {
  do
  :: atomic { nempty(toServer) ->
       if
       :: toServer ? REQUEST ->
          if
          :: retracted -> skip                            /* taken back unread: never seen */
          :: else -> delivered++; unanswered = true
          fi
       :: toServer ? CANCEL ->                            /* Inbound.readCancel */
          if
          :: unanswered ->
#ifndef NO_FORGET
             unanswered = false;
#endif
             finished++
          :: else
          fi
       fi;
       assert(finished <= delivered) }
  :: atomic { unanswered && !serverGone -> unanswered = false; finished++; assert(finished <= delivered); answered = true; toClient ! REPLY }
  :: atomic { clientGone && empty(toServer) ->
       if :: unanswered -> unanswered = false; finished++ :: else fi;
       break }
  :: atomic { serverGone = true; if :: unanswered -> unanswered = false; finished++ :: else fi; break } /* closes or dies at any moment */
  :: atomic { settled == 1 && empty(toServer) && !unanswered -> serverGone = true; break }
  od;
  assert(finished == delivered)
}

/* RETRACT_ONLY: a request that was read and then given up leaves the server working for nobody. */
active proctype watcher() {
end:
  atomic { settled == 1 && retracted && delivered == 1 && empty(toServer) && !clientGone && !serverGone -> assert(!unanswered) }
}
