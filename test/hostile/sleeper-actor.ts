/**
 * A peer that keeps to the rules of the bells to the letter, and sleeps whenever it may: it looks a random number of times, says
 * that it sleeps, looks once more, and waits for its socket. A bell that does not come within seconds is lost, and it says so.
 */
import { waitReadable } from '../../src/platform/poller.js';
import { randomFrom } from '../memory/support.js';
import { obey, tell } from '../support/actor.js';
import { HandListener, type HandPeer, RECORD_TYPE, STATE } from './peer.js';
import { receiveRaw } from './raw.js';

export type Order = { type: 'answer' | 'pour'; path: string; count: number; seed: number };
export type News = { type: 'ready' } | { type: 'done'; slept: number; lost: number };

const PATIENCE = 5000;

/** Waits until `there` says yes, in the way of one of the two bells. */
class Sleeper {
  slept = 0;
  lost = 0;
  #counter = 0;

  constructor(readonly peer: HandPeer, readonly word: 'dataSleep' | 'spaceSleep', readonly random: (below: number) => number) {}

  until(there: () => boolean): void {
    for (let looks = this.random(this.random(3) === 0 ? 3000 : 30); looks > 0; looks--) if (there()) return;
    while (!there() && this.peer.theirs('state') === STATE.open) {
      this.#counter += (this.#counter & 1) === 1 ? 2 : 1;
      this.peer.set(this.word, this.#counter);
      if (!there()) {
        this.slept++;
        // Woken by the other bell, perhaps: it looks, and sleeps again.
        if (!waitReadable(this.peer.socket, PATIENCE) && there()) this.lost++;
        while (typeof receiveRaw(this.peer.socket, 16) !== 'string');
      }
      this.#counter++;
      this.peer.set(this.word, this.#counter);
    }
  }
}

async function meet(path: string): Promise<HandPeer> {
  const listener = new HandListener(path);
  tell<News>({ type: 'ready' });
  const peer = await listener.serve();
  listener.close();
  return peer;
}

obey<Order>({
  answer: async ({ path, count, seed }) => {
    const peer = await meet(path);
    const forData = new Sleeper(peer, 'dataSleep', randomFrom(seed));
    for (let i = 0; i < count; i++) {
      forData.until(() => peer.peek() !== undefined);
      const asked = peer.take()!;
      peer.send({ type: RECORD_TYPE.reply, messageId: asked.messageId, data: asked.data });
    }
    tell<News>({ type: 'done', slept: forData.slept, lost: forData.lost });
  },
  pour: async ({ path, count, seed }) => {
    const peer = await meet(path);
    const forRoom = new Sleeper(peer, 'spaceSleep', randomFrom(seed));
    for (let i = 0; i < count; i++) {
      const data = Buffer.alloc(forRoom.random(600), i);
      // Half of the ring must be free before it is rung for room.
      if (!peer.send({ data })) {
        forRoom.until(() => (peer.position - peer.theirs('head')) >>> 0 <= peer.ringLength / 2);
        peer.send({ data });
      }
    }
    tell<News>({ type: 'done', slept: forRoom.slept, lost: forRoom.lost });
  },
});
