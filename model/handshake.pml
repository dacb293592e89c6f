/*
 * The handshake, from the client's look at the name to the end of the connection: src/ports/client-greeting.ts, reception.ts,
 * server-greeting.ts, server-connections.ts, and the ends in connection.ts. Steps are named after the methods.
 *
 * Around the two stands the kernel: a name that may lead to the wrong server, a connection that waits to be accepted and into
 * which the client may speak already, packets with descriptors in them, the end of file, and the error that a peer gets (once,
 * and before anything that waits) when the other closed without having read everything. While they are connected each may send a packet of
 * descriptors (or a bell: it may stay unread) and publish the record that names it. Either side may die before any step
 * (KILL), the client may give up whenever it waits, the server may close its port at any time, reject, or show a silent client out.
 *
 * Checked: every connect settles, also when the server never decides before it goes; nobody believes in a connection that
 * the other has refused; a refusal that was sent is told as one; a server that is not the required one gets no byte; a side that
 * says that the other died is right; a record that was published before the end finds the descriptors that it names; no descriptor is kept, and while connected each side holds what it should.
 *
 * Mutants, each of which must fail (scripts/model.ts runs them):
 *   CHECK_LATE            the client says hello before it looks who listens
 *   CHECK_NAME            it asks who has the name, and not who it is connected to
 *   NO_SECOND_READ        it takes the first error for the end, and does not read what waits behind it
 *   GIVE_UP_SILENTLY      a client that gives up leaves no word in its outbox
 *   GIVE_UP_KEEPS         it keeps its outbox
 *   CLOSE_BEFORE_WORD     a side closes its socket before it leaves its word
 *   REFUSE_WELCOMED       the server still refuses when the welcome is on its way
 *   BELIEVE_UNSENT        it believes in a connection whose welcome could not be sent
 *   REFUSE_KEEPS          it refuses, and keeps the descriptors that came with the hello
 *   WELCOME_KEEPS         it keeps the descriptor of its own outbox
 *   RESET_IS_END          while connected, a side takes the error for the end
 *   FORGET_SILENT         a port that closes forgets who has not said hello yet
 *   FORGET_ASKING         a port that closes forgets who waits for a decision
 */
mtype = { NONE, HELLO, WELCOME, REFUSAL, BELL };           /* packets; a bell may have descriptors */
mtype = { OPEN, CLOSED };                                  /* an outbox's state word */
mtype = { CONNECTED, REFUSED, MISMATCH, ENDED, NOT_FOUND, GAVE_UP }; /* how connect settles */

#ifdef KILL
#define MORTAL(side) if :: skip :: atomic { side##Dead = true; goto dead } fi
#else
#define MORTAL(side) skip
#endif

/* ---- the kernel ---- */
bool listening = true;           /* the socket that the name leads to */
bool rightOne = true;            /* whose it is: the required server's, or another's; changes hands until somebody has connected */
bool joined = false;             /* the client's socket is connected: it waits to be accepted, or has been */
bool accepted = false;
bool clientOpen = false, serverOpen = false;   /* the two ends of the connection */
bool clientReset = false, serverReset = false; /* the error that comes before what waits */
chan toServer = [2] of { mtype };
chan toClient = [2] of { mtype };
bool required;                   /* the client requires a certain server */
bool patient;                    /* it waits for as long as it takes */

bool clientDead = false, serverDead = false;
mtype clientWord = OPEN, serverWord = OPEN;    /* in the outboxes, once they are there */
mtype outcome = NONE;
bool clientBelieves = false, serverBelieves = false, serverRefused = false, welcomed = false;
byte clientHolds = 0, serverHolds = 0;         /* descriptors */
bool clientDone = false, serverDone = false;
bool clientRecord = false, serverRecord = false; /* published, behind a packet of descriptors */
bool clientHeard = false, serverHeard = false; /* the other's packet has been read */

/* A side closes its end: what it has not read is an error for the other. */
inline closeClient() { clientOpen = false; clientHolds--; serverReset = serverReset || len(toClient) > 0; do :: len(toClient) > 0 -> toClient ? _ :: len(toClient) == 0 -> break od }
inline closeServer() { serverOpen = false; serverHolds--; clientReset = clientReset || len(toServer) > 0; do :: len(toServer) > 0 -> toServer ? _ :: len(toServer) == 0 -> break od }

active proctype world() {        /* the name changes hands: another has it now, or the one whom the client wants */
  do
  :: atomic { !joined && listening -> rightOne = !rightOne }
  :: joined || !listening || clientDone -> break
  od
}

active proctype client() {
  mtype packet;
  bool nameIsRight, file = false;
  if :: required = true :: required = false fi;
  if :: patient = true :: patient = false fi;
  MORTAL(client);
  clientHolds++; file = true;                               /* openPort: the name's file */
  nameIsRight = rightOne;
  MORTAL(client);
  clientHolds++;                                            /* createSeqpacketSocket */
  clientHolds++;                                            /* Outbox.create; its word says OPEN */
  MORTAL(client);
  /* connectSocket */
  if
  :: atomic { listening -> joined = true; clientOpen = true; serverOpen = true }
  :: atomic { !listening -> outcome = NOT_FOUND; goto abandon }
  :: atomic { !patient -> outcome = GAVE_UP; goto abandon } /* the backlog was full until the time was over */
  fi;
  MORTAL(client);
#ifndef CHECK_LATE
  /* #checkServer: what the kernel recorded for this connection */
#ifdef CHECK_NAME
  if :: required && !nameIsRight -> outcome = MISMATCH; goto abandon :: else fi;
#else
  if :: required && !rightOne -> outcome = MISMATCH; goto abandon :: else fi;
#endif
  MORTAL(client);
#endif
  /* #sayHello; when the server is gone already its refusal may be there to be read */
  atomic {
    if
    :: serverOpen -> toServer ! HELLO; assert(!required || rightOne)
    :: else
    fi
  };
#ifdef CHECK_LATE
  if :: required && !rightOne -> outcome = MISMATCH; goto abandon :: else fi;
#endif
  clientHolds--; file = false;                              /* #closeFile */
  MORTAL(client);
  /* read, until the answer is there */
  do
  :: atomic { clientReset -> clientReset = false;
#ifdef NO_SECOND_READ
       outcome = ENDED; goto abandon
#else
       if
       :: len(toClient) > 0 -> toClient ? packet; break
       :: len(toClient) == 0 -> outcome = ENDED; goto abandon
       fi
#endif
     }
  :: atomic { !clientReset && nempty(toClient) -> toClient ? packet; break }
  :: atomic { !clientReset && empty(toClient) && !serverOpen -> outcome = ENDED; goto abandon }
  :: atomic { !patient -> outcome = GAVE_UP; goto abandon } /* timeout or signal */
  od;
  if
  :: packet == REFUSAL -> outcome = REFUSED; goto abandon
  :: packet == WELCOME
  fi;
  clientHolds = clientHolds + 2;                            /* they came with the packet */
  MORTAL(client);
  clientHolds = clientHolds - 2;                            /* #finish: mapped, and closed */
  if
  :: atomic { outcome = CONNECTED; clientBelieves = true; assert(clientHolds == 2 && !serverRefused) }
  :: atomic { outcome = GAVE_UP; goto abandon }             /* no memory for it */
  fi;
  /* ---- the connection ---- */
  if
  :: skip
  :: atomic { serverOpen && nfull(toServer) -> toServer ! BELL }; MORTAL(client); clientRecord = true
  fi;
  do
  :: break
  :: atomic { clientReset -> clientReset = false;
#ifdef RESET_IS_END
       goto serverEnded
#endif
     }
  :: atomic { !clientReset && nempty(toClient) -> toClient ? packet; assert(packet == BELL); clientHeard = true }
  :: atomic { !clientReset && empty(toClient) && !serverOpen -> goto serverEnded }
  od;
  MORTAL(client);
  /* Connection.close */
#ifdef CLOSE_BEFORE_WORD
  atomic { closeClient() };
  clientWord = CLOSED;
#else
  clientWord = CLOSED;
  MORTAL(client);
  atomic { closeClient() };
#endif
  goto closed;
serverEnded:
  /* readSocket: end; what was published is read, reasonOf(the server's word) */
  assert(serverWord == CLOSED || serverDead);
  assert(!serverRecord || clientHeard);
  clientWord = CLOSED;
  atomic { closeClient() };
closed:
  clientBelieves = false;
  clientHolds--;                                            /* Outbox.close */
  goto over;
abandon:
  /* abandon: says that it is no death, lets go of socket, file and outbox */
#ifndef GIVE_UP_SILENTLY
  clientWord = CLOSED;
#endif
  MORTAL(client);
  atomic { if :: clientOpen -> closeClient() :: else -> clientHolds-- fi };
  clientHolds = clientHolds - (file -> 1 : 0);
#ifndef GIVE_UP_KEEPS
  clientHolds--;
#endif
over:
  assert(outcome != NONE && clientHolds == 0);
  goto done;
dead:
  atomic { clientBelieves = false; if :: clientOpen -> closeClient() :: else fi; clientHolds = 0 };
done:
  clientDone = true
}

active proctype server() {
  mtype packet;
  bool asked = false;
  MORTAL(server);
  /* Reception.accept */
  if
  :: atomic { joined && serverOpen -> accepted = true; serverHolds++ }
  :: goto closePort
  fi;
  MORTAL(server);
  /* #greet: the security descriptor and the quota */
  if :: skip :: goto refuse fi;
  /* #listen: the hello, the client's end, or neither in time */
  do
  :: atomic { serverReset -> serverReset = false; goto leave }
  :: atomic { nempty(toServer) -> toServer ? packet; serverHolds = serverHolds + 2; asked = true; break }
  :: atomic { empty(toServer) && !clientOpen -> goto leave }
  :: goto refuse                                            /* #showOutSilent */
  :: goto closePort
  od;
  MORTAL(server);
  /* a ConnectionRequestMessage: accept, reject, or undecided until the port closes */
  if
  :: skip
  :: goto refuse
  :: goto closePort
  fi;
  /* ServerGreeting.welcome */
  serverHolds = serverHolds - 2; asked = false;             /* both mapped, and closed */
  serverHolds++;                                            /* Outbox.create */
  MORTAL(server);
  if :: skip :: serverHolds--; goto refuse fi;              /* no memory, no watch: before the welcome */
  atomic {
    if
    :: clientOpen -> toClient ! WELCOME; welcomed = true
    :: else ->
#ifdef BELIEVE_UNSENT
       skip
#else
       serverHolds--; goto leave                            /* 'gone' */
#endif
    fi
  };
#ifdef REFUSE_WELCOMED
  if :: skip :: serverHolds--; goto refuse fi;
#endif
  MORTAL(server);
#ifndef WELCOME_KEEPS
  serverHolds--;                                            /* closeDescriptor */
#endif
  atomic { serverBelieves = true; assert(welcomed && serverHolds == 1) };
  /* ---- the connection ---- */
  if
  :: skip
  :: atomic { clientOpen && nfull(toClient) -> toClient ! BELL }; MORTAL(server); serverRecord = true
  fi;
  do
  :: break
  :: atomic { serverReset -> serverReset = false;
#ifdef RESET_IS_END
       goto clientEnded
#endif
     }
  :: atomic { !serverReset && nempty(toServer) -> toServer ? packet; assert(packet == BELL); serverHeard = true }
  :: atomic { !serverReset && empty(toServer) && !clientOpen -> goto clientEnded }
  od;
  MORTAL(server);
#ifdef CLOSE_BEFORE_WORD
  atomic { closeServer() };
  serverWord = CLOSED;
#else
  serverWord = CLOSED;
  MORTAL(server);
  atomic { closeServer() };
#endif
  goto parted;
clientEnded:
  assert(clientWord == CLOSED || clientDead);
  assert(!clientRecord || serverHeard);
  serverWord = CLOSED;
  atomic { closeServer() };
parted:
  serverBelieves = false;
  goto closePort;
refuse:
  /* ServerGreeting.refuse */
  atomic {
    serverRefused = true;
    if :: clientOpen && len(toClient) < 2 -> toClient ! REFUSAL :: else fi;
  };
  MORTAL(server);
leave:
  /* abandon */
  atomic { closeServer() };
#ifndef REFUSE_KEEPS
  serverHolds = serverHolds - (asked -> 2 : 0);
#endif
  asked = false;
  MORTAL(server);
closePort:
  /* ServerConnections.close: whoever stands at the door is refused, then the listening socket goes */
  atomic {
    listening = false;
    if
    :: accepted && serverOpen ->
#ifdef FORGET_SILENT
       if :: asked -> skip :: else -> goto done fi;
#endif
#ifdef FORGET_ASKING
       if :: !asked -> skip :: else -> goto done fi;
#endif
       goto refuse
    :: !accepted && serverOpen -> serverHolds++; closeServer() /* the kernel's: it was never accepted */
    :: else
    fi
  };
  assert(serverHolds == 0);
  goto done;
dead:
  atomic { listening = false; serverBelieves = false; if :: serverOpen -> serverHolds++; closeServer() :: else fi; serverHolds = 0 };
done:
  serverDone = true
}

active proctype observer() {
  clientDone && serverDone;
  assert(!clientBelieves && !serverBelieves);
  /* A refusal that was sent while the client waited for it is told as one. */
  assert(!(serverRefused && outcome == CONNECTED));
  assert(!(outcome == ENDED && serverRefused && !serverDead && !clientDead))
}
