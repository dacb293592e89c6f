/**
 * A process, or a thread, that waits for events. Each wait that went on is one byte at the end of a file (`tally`), written
 * before anything else happens: so what a process that is killed had taken can be counted to one.
 */
import { appendFileSync } from 'node:fs';
import { createEvent, type Event, openEvent, waitForAll, waitForAllSync, waitForAny, waitForAnySync } from '../../src/index.js';
import { nameOf } from '../process/expect.js';
import { actorArguments, obey, tell } from '../support/actor.js';

export type Order =
  | { type: 'wait'; how: 'blocking' | 'awaited'; name: string; timeout?: number }
  | { type: 'wait-several'; mode: 'any' | 'all'; names: string[]; times: number }
  /** Waits again and again, until it is killed. */
  | { type: 'go-on-waiting'; how: 'blocking' | 'awaited'; name: string }
  | { type: 'go-on-waiting-for'; mode: 'any' | 'all'; how: 'blocking' | 'awaited'; names: string[] }
  | { type: 'set'; name: string; times: number }
  /** Opens or creates it, sets it, and closes it, so many times. */
  | { type: 'come-and-go'; name: string; times: number }
  | { type: 'hold'; name: string }
  | { type: 'try'; name: string };
export type News = { type: 'ready' } | { type: 'begun' } | { type: 'ended'; outcome: string } | { type: 'done'; count: number } | { type: 'held' };

const [tally] = actorArguments();
const opened = new Map<string, Event>();

function eventOf(name: string): Event {
  let event = opened.get(name);
  if (event === undefined) opened.set(name, (event = openEvent(name)));
  return event;
}

function went(): void {
  if (tally !== undefined) appendFileSync(tally, '.');
}

async function waitOnce(how: 'blocking' | 'awaited', event: Event, timeout = Infinity): Promise<void> {
  if (how === 'blocking') event.waitSync({ timeout });
  else await event.wait({ timeout });
  went();
}

obey<Order>({
  wait: async ({ how, name, timeout }) => {
    const event = eventOf(name);
    tell<News>({ type: 'begun' });
    await new Promise((resolve) => void setImmediate(resolve)); // the news is on its way
    tell<News>({ type: 'ended', outcome: await waitOnce(how, event, timeout).then(() => 'went on', nameOf) });
  },
  'wait-several': ({ mode, names, times }) => {
    const events = names.map(eventOf);
    for (let i = 0; i < times; i++) {
      if (mode === 'any') waitForAnySync(events);
      else waitForAllSync(events);
      went();
    }
    tell<News>({ type: 'done', count: times });
  },
  'go-on-waiting': async ({ how, name }) => {
    const event = eventOf(name);
    tell<News>({ type: 'begun' });
    await new Promise((resolve) => void setImmediate(resolve));
    for (;;) await waitOnce(how, event);
  },
  'go-on-waiting-for': async ({ mode, how, names }) => {
    const events = names.map(eventOf);
    tell<News>({ type: 'begun' });
    await new Promise((resolve) => void setImmediate(resolve));
    const [blocking, awaited] = mode === 'any' ? [waitForAnySync, waitForAny] : [waitForAllSync, waitForAll];
    for (;;) {
      if (how === 'blocking') blocking(events);
      else await awaited(events);
      went();
    }
  },
  set: ({ name, times }) => {
    let count = 0;
    for (let i = 0; i < times; i++) if (!eventOf(name).set()) count++;
    tell<News>({ type: 'done', count });
  },
  'come-and-go': ({ name, times }) => {
    for (let i = 0; i < times; i++) {
      using event = createEvent(name, { openIf: true });
      event.set();
    }
    tell<News>({ type: 'done', count: times });
  },
  /** Opens and sets it. */
  try: ({ name }) => {
    let outcome = 'set';
    try {
      eventOf(name).set();
    } catch (error) {
      outcome = nameOf(error);
    }
    tell<News>({ type: 'ended', outcome });
  },
  hold: ({ name }) => {
    eventOf(name);
    tell<News>({ type: 'held' });
  },
});
tell<News>({ type: 'ready' });
