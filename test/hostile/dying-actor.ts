/** A peer that dies: with calls to it outstanding, or in the middle of sending. It says when, and is gone in the next instruction. */
import { obey, tell } from '../support/actor.js';
import { CONTROL, HandListener, HandPeer, RECORD, RECORD_HEADER, RECORD_TYPE } from './peer.js';

/** How far a record is when its sender dies. */
export const STEPS = ['nothing written', 'half of a header', 'a header', 'half of a payload', 'all but the tail', 'the tail', 'the bell'] as const;
export type Step = (typeof STEPS)[number];
export const RECORD_TEXT = 'a text that may be cut in two';

export type Order =
  | { type: 'connect'; path: string }
  /** Serves at most one, and does not even answer its hello with `mute`. */
  | { type: 'serve'; path: string; mute?: boolean }
  | { type: 'ask' }
  | { type: 'die'; after?: number }
  | { type: 'die sending'; step: Step };
export type News = { type: 'ready' } | { type: 'asked' } | { type: 'dying'; at: number };

const state: { peer?: HandPeer } = {};

function die(): never {
  tell<News>({ type: 'dying', at: Date.now() });
  process.kill(process.pid, 'SIGKILL');
  for (;;);
}

function dieSending(step: Step): never {
  const peer = state.peer!;
  const { words, bytes } = peer.outbox;
  const start = peer.at(peer.position, 'length');
  const upTo = (wanted: Step, act: () => void): void => {
    if (STEPS.indexOf(step) >= STEPS.indexOf(wanted)) act();
  };
  const header = { length: RECORD_HEADER + RECORD_TEXT.length, type: RECORD_TYPE.datagram, messageId: 0, callbackId: 0, status: 0, sequence: 1, attributes: 0, reserved1: 0 };
  const write = (from: number, to: number): void => Object.keys(RECORD).slice(from, to).forEach((word, i) => (words[start + from + i] = header[word as keyof typeof RECORD]));
  const payload = start * 4 + RECORD_HEADER;
  upTo('half of a header', () => write(0, 4));
  upTo('a header', () => write(4, 8));
  upTo('half of a payload', () => bytes.set(Buffer.from(RECORD_TEXT).subarray(0, 8), payload));
  upTo('all but the tail', () => bytes.set(Buffer.from(RECORD_TEXT), payload));
  upTo('the tail', () => void Atomics.store(words, CONTROL.tail / 4, peer.position + ((header.length + 7) & ~7)));
  upTo('the bell', () => void peer.ring());
  die();
}

obey<Order>({
  connect: async ({ path }) => {
    state.peer = HandPeer.client();
    await state.peer.greet(path);
    tell<News>({ type: 'ready' });
  },
  serve: async ({ path, mute }) => {
    const listener = new HandListener(path);
    tell<News>({ type: 'ready' });
    state.peer = mute === true ? await listener.accept() : await listener.serve();
  },
  ask: () => {
    state.peer!.send({ type: RECORD_TYPE.request, messageId: 1, data: 'held' });
    tell<News>({ type: 'asked' });
  },
  die: ({ after }) => (after === undefined ? die() : void setTimeout(die, after)),
  'die sending': ({ step }) => dieSending(step),
});
