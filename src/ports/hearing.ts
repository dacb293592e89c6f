/**
 * Whose socket is heard, when more have something to say than are heard in one go. Users take turns here as they do for
 * messages in turns.ts: else who has a thousand sockets is heard a thousand times before anybody else. Those that are left out
 * are told of again, for what is not read stays readable.
 */

/** What the kernel told of last. */
interface Ready {
  /** The `index`th socket. */
  at(index: number): number;
}

/**
 * Chooses `most` of the `count` sockets that are ready, or all if they are fewer: the first of each user, then the second of
 * each, and so on; among themselves users and sockets stay in the order in which they were told. `userOf` says whose a socket
 * is, and is asked once for each. Time and memory are in proportion to `count`, whatever the users do.
 */
export function chooseInTurn(ready: Ready, count: number, most: number, userOf: (socket: number) => number): number[] {
  const ofUsers = new Map<number, number[]>();
  for (let i = 0; i < count; i++) {
    const socket = ready.at(i);
    const uid = userOf(socket);
    const sockets = ofUsers.get(uid);
    if (sockets === undefined) ofUsers.set(uid, [socket]);
    else if (sockets.length < most) sockets.push(socket);
  }
  const chosen: number[] = [];
  const wanted = Math.min(count, most);
  for (let turn = 0; chosen.length < wanted; turn++) {
    for (const sockets of ofUsers.values()) {
      if (turn < sockets.length && chosen.length < wanted) chosen.push(sockets[turn]!);
    }
  }
  return chosen;
}
