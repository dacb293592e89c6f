/**
 * A peer whose ring never ends: it is filled once with records of one kind, and from then on its tail is always a whole ring
 * ahead of whoever reads it. One store per lap, so no reader is ever faster.
 */
import { obey, tell } from '../support/actor.js';
import { HandListener, HandPeer, RECORD_HEADER, RECORD_TYPE, RETRACTED, type HandRecord, STATE } from './peer.js';
import { shutDown } from './raw.js';

/** Records that come to nothing at the reader: no message to give anybody. */
export const SILENT = {
  'replies that nobody waits for': { type: RECORD_TYPE.reply, messageId: 77 },
  'replies that nobody waits for, which say that they failed': { type: RECORD_TYPE.reply, messageId: 77, status: 1 },
  'cancellations of requests that never were': { type: RECORD_TYPE.cancel, messageId: 77 },
  'requests taken back': { type: RECORD_TYPE.request | RETRACTED, messageId: 77 },
} satisfies Record<string, HandRecord>;

export const LOUD = {
  datagrams: { type: RECORD_TYPE.datagram },
  requests: { type: RECORD_TYPE.request, messageId: 77 },
} satisfies Record<string, HandRecord>;

export type Kind = keyof typeof SILENT | keyof typeof LOUD;

export interface Flood {
  readonly type: 'flood';
  readonly path: string;
  readonly as: 'client' | 'server';
  readonly kind: Kind;
  readonly milliseconds: number;
  readonly ringLength?: number;
  /** Reads what comes back, so that it is no slow reader. */
  readonly reads?: boolean;
  /** Hangs up before it begins, and writes on all the same. */
  readonly hangsUp?: boolean;
}
export type Order = Flood;
export type News = { type: 'flooding' } | { type: 'ended'; laps: number; state: number };

async function meet({ path, as, ringLength }: Flood): Promise<HandPeer> {
  const options = ringLength === undefined ? {} : { ringLength };
  if (as === 'client') {
    const peer = HandPeer.client(options);
    await peer.greet(path);
    return peer;
  }
  const listener = new HandListener(path);
  tell<News>({ type: 'flooding' }); // as soon as somebody comes
  return listener.serve(options);
}

async function flood(order: Flood): Promise<void> {
  const peer = await meet(order);
  const record = { ...SILENT, ...LOUD }[order.kind];
  for (let at = 0; at < peer.ringLength; at += RECORD_HEADER) peer.write(record, at);
  if (order.as === 'client') await new Promise<void>((resolve) => void process.send!({ type: 'flooding' } satisfies News, () => resolve()));
  let laps = 0;
  const lap = (): void => {
    peer.publish(peer.theirs('head') + peer.ringLength);
    if (order.reads === true) peer.set('head', peer.theirs('tail'));
    laps++;
  };
  lap();
  if (order.hangsUp === true) shutDown(peer.socket);
  const until = performance.now() + order.milliseconds;
  while (performance.now() < until && peer.theirs('state') === STATE.open) for (let i = 0; i < 100; i++) lap();
  tell<News>({ type: 'ended', laps, state: peer.theirs('state') });
  peer.close();
}

if (process.send !== undefined) obey<Order>({ flood });
