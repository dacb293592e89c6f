/**
 * The stream of events: objects that come and go in the whole tree, and pictures of a port or of the whole, once in each interval. All
 * streams of a server share one snapshot in each interval, so that ten pages cost no more than one.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { SSEStreamingApi } from 'hono/streaming';
import { AlpcError } from '../../base/errors.js';
import { readSymbolicLink, type RootOptions } from '../../objects/index.js';
import { findRoot } from '../../objects/root.js';
import { watchWithoutMaking } from '../../objects/watch.js';
import { withPort } from '../inspect.js';
import type { ExplorerInfo, ObjectDetails, ObjectEvent } from '../model.js';
import { describeObject, withResolved } from '../objects.js';
import { graphOf } from '../ports.js';
import { type Snapshot, takeSnapshot } from '../snapshot.js';

/** Objects that come and go together are told together. */
const GATHERING = 50;
const STILL_HERE = 15_000;
/** Until a watch that failed is tried again. */
const AGAIN_AFTER = 2000;

/** One for a server. */
export class Snapshots {
  readonly #where: RootOptions;
  readonly #interval: number;
  #last: { readonly snapshot: Snapshot; readonly at: number } | undefined;

  constructor(where: RootOptions, interval: number) {
    this.#where = where;
    this.#interval = interval;
  }

  /** Not older than most of an interval. */
  get recent(): Snapshot {
    const now = performance.now();
    if (this.#last === undefined || now - this.#last.at > this.#interval * 0.8) this.#last = { snapshot: takeSnapshot(this.#where), at: now };
    return this.#last.snapshot;
  }
}

export interface LiveOptions {
  readonly where: RootOptions;
  readonly snapshots: Snapshots;
  readonly info: ExplorerInfo;
  /** The full name of the object that is asked for: a port, or anything else. */
  readonly port: string | undefined;
  readonly graph: boolean;
  /** Whether to tell of objects that come and go, which takes a watch on each directory. */
  readonly objects: boolean;
}

/** Tells until the other side has gone, or `signal` ends it. */
export async function tellLive(stream: SSEStreamingApi, options: LiveOptions, signal: AbortSignal): Promise<void> {
  const tell = (event: string, data: unknown): Promise<void> => stream.writeSSE({ event, data: JSON.stringify(data) });
  const ending = new AbortController();
  const end = (): void => ending.abort();
  stream.onAbort(end);
  signal.addEventListener('abort', end, { once: true });
  if (signal.aborted) end();
  const objects = options.objects ? tellObjects(tell, options, ending.signal) : endOf(ending.signal); // watches from here on, so whoever asks for the tree after `info` misses nothing
  objects.catch(() => undefined); // it is awaited below; until then nobody has to hear of it
  await tell('info', options.info);
  const state: PictureState = { busy: false, gone: false };
  const pictures = setInterval(() => void tellPictures(tell, options, state), options.info.intervalMilliseconds);
  const alive = setInterval(() => void stream.write(': still here\n\n'), STILL_HERE);
  try {
    await tellPictures(tell, options, state);
    await objects;
  } finally {
    clearInterval(pictures);
    clearInterval(alive);
    signal.removeEventListener('abort', end);
  }
}

function endOf(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

type Tell = (event: string, data: unknown) => Promise<void>;

interface PictureState {
  busy: boolean;
  gone: boolean;
}

async function tellPictures(tell: Tell, { port, graph, snapshots, where }: LiveOptions, state: PictureState): Promise<void> {
  if (state.busy || (port === undefined && !graph)) return; // a page that reads slowly gets fewer pictures, not a heap of them
  state.busy = true;
  try {
    const whole = graph ? ifThere(() => graphOf(snapshots.recent)) : undefined;
    if (whole !== undefined) await tell('graph', whole);
    if (port === undefined) return;
    const picture = ifThere(() => pictureOf(port, snapshots, where));
    if (picture !== undefined || !state.gone) await tell('port', picture ?? { name: port, gone: true });
    state.gone = picture === undefined;
  } finally {
    state.busy = false;
  }
}

function pictureOf(name: string, snapshots: Snapshots, where: RootOptions): ObjectDetails {
  const details = describeObject(name, where);
  return details.type === 'ALPC Port' ? withPort(details, snapshots.recent) : details;
}

/** Undefined when it is gone, or the whole root is: that ends no stream, for it may come back. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (AlpcError.is(error)) return undefined;
    throw error;
  }
}

/**
 * A watch may fail: too many directories for the system, a root that is made anew, or not made yet. Once there is one the page asks for the tree
 * again, and a new watch begins.
 */
async function tellObjects(tell: Tell, { where }: LiveOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      await watchOnce(tell, where, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (!AlpcError.is(error)) throw error;
      do await sleep(AGAIN_AFTER, undefined, { signal }).catch(() => undefined);
      while (!signal.aborted && ifThere(() => findRoot(where).isThere) !== true);
      if (!signal.aborted) await tell('reload', {});
    }
  }
}

async function watchOnce(tell: Tell, where: RootOptions, signal: AbortSignal): Promise<void> {
  const gathered: ObjectEvent[] = [];
  let timer: NodeJS.Timeout | undefined;
  const flush = (): void => {
    timer = undefined;
    void tell('objects', gathered.splice(0));
  };
  try {
    for await (const { event, name, type } of watchWithoutMaking('\\', { ...where, recursive: true, signal })) {
      gathered.push(event === 'removed' ? { event, name, type } : { event, ...describeEvent({ name, type }, where) });
      timer ??= setTimeout(flush, GATHERING);
    }
  } finally {
    clearTimeout(timer);
  }
}

function describeEvent(object: Pick<ObjectEvent, 'name' | 'type'>, where: RootOptions): Omit<ObjectEvent, 'event'> {
  if (object.type !== 'SymbolicLink') return object;
  try {
    return withResolved({ ...object, target: readSymbolicLink(object.name, where) }, where);
  } catch {
    return object; // gone again
  }
}
