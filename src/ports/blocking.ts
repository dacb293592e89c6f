/**
 * Blocking calls: look at memory for a while, then sleep on the connection's socket, where doorbell, death and timeout are
 * one `poll`. While it waits the thread reads what comes: replies settle, requests go to `onCallback`, the rest is queued.
 *
 * Around each sleep the thread says on its wait page on whom it waits, and then looks at that thread's page: when both
 * sleep for each other and neither has anything unread of the other, nobody will ever wake them. Then both calls end with
 * ERR_ALPC_DEADLOCK at once. (Longer circles are for inspectors to find; timeouts end them.)
 */
import type { MessageData } from '../base/arguments.js';
import { deadlineAfter, isOver, timeLeft, type Deadline } from '../base/deadline.js';
import { AlpcError } from '../base/errors.js';
import { RecordType, ReplyStatus } from '../memory/layout.js';
import { withoutPlace } from '../memory/place.js';
import { waitReadable, YIELD_EVERY, yieldProcessor } from '../platform/poller.js';
import { BlockedCall, Outgoing, type OnCallback } from './calls.js';
import type { Connection } from './connection.js';
import { channels } from './diagnostics.js';
import type { ReplyMessage } from './message.js';
import type { PeerIdentity } from './peer-identity.js';
import type { Attachment } from './attachment.js';

/** Sends a request and blocks this thread until it is settled. */
export function requestBlocking(connection: Connection, data: MessageData, dataLength: number, callbackId: number, timeout: number, onCallback: OnCallback | undefined, attachment?: Attachment): ReplyMessage {
  const deadline = deadlineAfter(timeout);
  const call = new BlockedCall(connection.calls.nextId(), onCallback);
  sendOrQueue(connection, call, data, dataLength, callbackId, attachment);
  if (connection.state !== 'open') throw connection.closedError(); // by who was told of the record: nobody would settle the call any more
  connection.calls.block(call);
  try {
    return awaitReply(connection, call, deadline, timeout);
  } catch (error) {
    if (!call.isSettled) connection.outbound.cancelRequest(call.id, call.position, call.outgoing);
    throw error;
  } finally {
    connection.calls.unblock();
    // A sleep took the doorbell that the event loop may have armed, however the call ended.
    if (call.slept || connection.inbound.queued > 0 || connection.outbound.length > 0) connection.wake();
  }
}

/** Blocks this thread until there is room for a datagram behind everything that waits already. */
export function postBlocking(connection: Connection, data: MessageData, dataLength: number, timeout: number, attachment?: Attachment): void {
  const deadline = deadlineAfter(timeout);
  const length = attachment === undefined ? dataLength : dataLength + attachment.byteLength;
  try {
    for (let lastTry = false; !connection.outbound.transmit(RecordType.datagram, 0, 0, 0, data, dataLength, attachment); ) {
      if (connection.state !== 'open') throw connection.closedError();
      if (lastTry) throw noRoom(connection, timeout);
      lastTry = isOver(deadline);
      if (connection.outbound.flush() || connection.inbound.readWhileBlocked(undefined)) continue;
      if (sleepForRoom(connection, length, deadline)) continue;
      connection.readToEnd(); // the peer's end is the better answer
      if (connection.state === 'open') throw noRoom(connection, timeout);
    }
  } finally {
    connection.wake();
  }
}

function sendOrQueue(connection: Connection, call: BlockedCall, data: MessageData, dataLength: number, callbackId: number, attachment: Attachment | undefined): void {
  const position = connection.outbound.position;
  if (connection.outbound.transmit(RecordType.request, call.id, callbackId, 0, data, dataLength, attachment)) {
    call.position = position;
    return;
  }
  if (connection.state !== 'open') throw connection.closedError();
  connection.outbound.checkQuota(dataLength);
  call.outgoing = new Outgoing(RecordType.request, call.id, callbackId, 0, data, dataLength, (at) => void (call.position = at), undefined, attachment);
  connection.outbound.enqueue(call.outgoing);
}

function awaitReply(connection: Connection, call: BlockedCall, deadline: Deadline, timeout: number): ReplyMessage {
  const reader = connection.link.reader;
  // A peer that had to be woken needs a core to wake on, and more time than looking is worth: leave it this one, before all that a sleep needs is done.
  const { rang } = connection.link;
  if (rang && !reader.hasData()) yieldProcessor();
  const budget = rang ? 0 : connection.looks.next();
  let looks = budget;
  for (;;) {
    while (looks > 0 && !reader.hasData()) if ((--looks & YIELD_EVERY) === 0) yieldProcessor();
    if (connection.inbound.readWhileBlocked(call.onCallback)) {
      if (!call.isSettled && isOver(deadline)) throw timedOut(connection, call, timeout);
    } else if (!call.isSettled) {
      if (!call.slept && budget > 0) connection.looks.wasted();
      call.slept = true;
      if (!sleepForReply(connection, call, deadline)) {
        connection.readToEnd(); // the peer's end is the better answer
        if (!call.isSettled) throw timedOut(connection, call, timeout);
      }
    }
    if (call.reply !== undefined) {
      if (!call.slept && budget > 0) connection.looks.paid();
      return call.reply;
    }
    if (call.error !== undefined) throw call.error;
  }
}

/** One sleep, ended by a bell, the peer's end, a signal or the deadline. False when the deadline was there before. */
function sleepForReply(connection: Connection, call: BlockedCall, deadline: Deadline): boolean {
  if (isOver(deadline)) return false;
  const { thread, peerPage } = connection;
  tellWait(connection, call.id);
  if (call.isSettled) { // by who was told
    tellUnwait(connection, call.id);
    return true;
  }
  let circle: Circle | undefined;
  thread.waitPage.publish(peerPage.inode, connection.inode, call.id);
  try {
    if (connection.arm(true)) {
      circle = findCircle(connection);
      if (circle === undefined && connection.state === 'open') sleepOnSocket(connection, timeLeft(deadline));
    }
  } finally {
    thread.waitPage.withdraw();
    connection.disarm();
  }
  tellUnwait(connection, call.id);
  if (circle !== undefined) endCircle(connection, call, circle);
  // When the answer is there the bell can wait: it is read before the next sleep, which it ends at once.
  if (!connection.link.reader.hasData()) connection.readSocket();
  connection.outbound.flush();
  return true;
}

function sleepForRoom(connection: Connection, dataLength: number, deadline: Deadline): boolean {
  if (isOver(deadline)) return false;
  if (connection.peerPage.inode === connection.thread.waitPage.inode) throw new AlpcError('ERR_ALPC_DEADLOCK', `${connection}: this thread waits for room that only it can make`);
  tellWait(connection, 0);
  // Room is asked for even when no record waits in the queue: the one at hand is not in it.
  if (connection.state === 'open' && connection.arm(true) && (connection.outbound.waiting > 0 || connection.armForRoom(dataLength))) sleepOnSocket(connection, timeLeft(deadline));
  connection.disarm();
  tellUnwait(connection, 0);
  connection.readSocket();
  return true;
}

/** For who has asked to be rung for messages: sleeps until the connection's bell rings, its peer is gone, or the time is over. */
export function sleep(connection: Connection, milliseconds: number, id: number): void {
  if (!channels.wait.hasSubscribers) sleepOnSocket(connection, milliseconds);
  else {
    const { queued } = connection.inbound;
    tellWait(connection, id);
    // Who was told may have received, or called, which takes the bell.
    if (connection.state === 'open' && connection.inbound.queued === queued && connection.arm(true)) sleepOnSocket(connection, milliseconds);
  }
  tellUnwait(connection, id);
}

function sleepOnSocket(connection: Connection, milliseconds: number): void {
  withoutPlace(() => waitReadable(connection.socket, Math.min(Math.ceil(milliseconds), connection.thread.longestSleep)));
}

/** Whoever is told may close the port, whose socket's number is soon somebody else's, or call on it: so before all that a sleep needs, or it is looked at again. */
function tellWait(connection: Connection, id: number): void {
  if (channels.wait.hasSubscribers) channels.wait.publish({ port: connection.portName, role: connection.role, id });
}

function tellUnwait(connection: Connection, id: number): void {
  if (channels.unwait.hasSubscribers) channels.unwait.publish({ port: connection.portName, role: connection.role, id });
}

/** The other half of a circle: what the peer's thread sleeps for. */
interface Circle {
  readonly connection: Connection;
  readonly messageId: number;
}

/**
 * Finds a circle of two. The other thread sleeps for a reply of this thread; it has consumed everything that this side sent
 * on that connection, so the reply is not on its way; its page did not change meanwhile, so it sleeps still. And nothing of
 * it has come that this thread would wake for: whoever sees a thread's page sees what the thread sent before it went to sleep.
 *
 * Whoever has a page can pass it on as its own. So the kernel must say, too, that both connections are of one process: else somebody
 * else's call would be ended by who gave away its page.
 */
function findCircle(connection: Connection): Circle | undefined {
  const { thread, peerPage } = connection;
  if (peerPage.inode === thread.waitPage.inode) return { connection, messageId: 0 };
  const other = peerPage.read();
  if (other === undefined || other.thread !== thread.waitPage.inode) return undefined;
  for (const theirs of thread.connections.get(other.connection) ?? []) {
    if (theirs.peerPage !== peerPage || !areOfOneProcess(theirs.peer, connection.peer) || !theirs.outbound.isDrained) continue;
    if (peerPage.read()?.sequence === other.sequence && !connection.link.reader.hasData()) return { connection: theirs, messageId: other.messageId };
  }
  return undefined;
}

/** By the kernel's word. It names no process of a namespace of pids that can't be seen from here: those are never taken for the same. */
function areOfOneProcess(one: PeerIdentity, other: PeerIdentity): boolean {
  return one.pid === other.pid && one.uid === other.uid && one.pid !== 0;
}

/** Ends both calls. This thread's page says by now that it is awake: else the other, released, would find it in a circle with its next call. */
function endCircle(connection: Connection, call: BlockedCall, circle: Circle): never {
  if (circle.messageId === 0) throw inACircle(connection, call, 'this thread itself');
  circle.connection.refuseById(circle.messageId, ReplyStatus.deadlock);
  throw inACircle(connection, call, `its own request ${circle.messageId} on ${circle.connection.portName}`);
}

function inACircle(connection: Connection, call: BlockedCall, whom: string): AlpcError {
  return new AlpcError('ERR_ALPC_DEADLOCK', `${connection}: request ${call.id} waits for a peer that waits for ${whom}`);
}

function noRoom(connection: Connection, timeout: number): AlpcError {
  return new AlpcError('ERR_ALPC_TIMEOUT', `${connection}: there was no room for a message within ${timeout} ms`);
}

function timedOut(connection: Connection, call: BlockedCall, timeout: number): AlpcError {
  return new AlpcError('ERR_ALPC_TIMEOUT', `${connection}: request ${call.id} was not answered within ${timeout} ms`);
}
