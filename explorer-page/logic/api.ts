/**
 * The server's HTTP interface, as docs/explorer-api.md says it: requests with the token, answers with their types, and the
 * stream of events. What listens for long begins anew when the stream ends, after a pause that grows; only a token that is not
 * taken ends it, for it will not be taken later either.
 */
import type { ExplorerError, ExplorerInfo, Graph, ObjectDetails, ObjectEvent, Tree, WaitGraph } from '../../src/explorer/model.js';
import { EventStreamParser } from './event-stream.js';

export type LiveEvent =
  | { event: 'info'; data: ExplorerInfo }
  | { event: 'objects'; data: ObjectEvent[] }
  | { event: 'port'; data: ObjectDetails | { name: string; gone: true } }
  | { event: 'graph'; data: Graph }
  | { event: 'reload'; data: Record<string, never> };

export interface Topics {
  /** What comes and goes in the whole tree. */
  objects?: boolean;
  /** The full name of an object: `port` events, of a port or of anything else. */
  object?: string;
  graph?: boolean;
}

/** `refused`: the token is wrong. */
export type LinkState = 'connecting' | 'live' | 'lost' | 'refused';

/** The server said no. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string) {
    super(message);
    this.name = 'ApiError';
  }
}

const FIRST_PAUSE = 250;
const LONGEST_PAUSE = 5000;
/** The server says every 15 seconds that it is still there. */
const SILENCE = 40_000;

export class Api {
  readonly #token: string;
  readonly #base: string;

  /** `base`: where the server is; left out, where the page came from. */
  constructor(token: string, base = '') {
    this.#token = token;
    this.#base = base;
  }

  info = (): Promise<ExplorerInfo> => this.#ask<ExplorerInfo>('/api/info');
  tree = (): Promise<Tree> => this.#ask<Tree>('/api/tree');
  graph = (): Promise<Graph> => this.#ask<Graph>('/api/graph');
  waits = (): Promise<WaitGraph> => this.#ask<WaitGraph>('/api/waits');
  object = (name: string): Promise<ObjectDetails> => this.#ask<ObjectDetails>(`/api/object?name=${encodeURIComponent(name)}`);

  /** One stream, until it ends or fails. */
  async *events({ objects, object, graph }: Topics, signal: AbortSignal): AsyncGenerator<LiveEvent> {
    const query = new URLSearchParams();
    if (objects !== true) query.set('objects', '0');
    if (object !== undefined) query.set('port', object);
    if (graph === true) query.set('graph', '1');
    const silence = new AbortController();
    const response = await this.#fetch(`/api/events?${query.toString()}`, AbortSignal.any([signal, silence.signal]));
    const parser = new EventStreamParser();
    const decoder = new TextDecoder();
    const reader = response.body!.getReader();
    let timer = setTimeout(() => silence.abort(), SILENCE);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), SILENCE);
        for (const { event, data } of parser.push(decoder.decode(value, { stream: true }))) yield { event, data: JSON.parse(data) as unknown } as LiveEvent;
      }
    } finally {
      clearTimeout(timer);
      await reader.cancel().catch(() => undefined);
    }
  }

  /** Streams one after the other, until `signal` ends it or the token is refused. */
  async listen(topics: Topics, { onEvent, onState, signal }: { onEvent: (event: LiveEvent) => void; onState?: (state: LinkState) => void; signal: AbortSignal }): Promise<void> {
    let pause = FIRST_PAUSE;
    while (!signal.aborted) {
      onState?.('connecting');
      try {
        for await (const event of this.events(topics, signal)) {
          if (signal.aborted) return;
          if (event.event === 'info') {
            pause = FIRST_PAUSE;
            onState?.('live');
          }
          onEvent(event);
        }
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof ApiError && error.status === 401) {
          onState?.('refused');
          return;
        }
      }
      if (signal.aborted) return;
      onState?.('lost');
      await waitFor(pause, signal);
      pause = Math.min(LONGEST_PAUSE, pause * 2);
    }
  }

  async #ask<Answer>(path: string): Promise<Answer> {
    return (await (await this.#fetch(path)).json()) as Answer;
  }

  async #fetch(path: string, signal?: AbortSignal): Promise<Response> {
    const response = await fetch(`${this.#base}${path}`, { headers: { authorization: `Bearer ${this.#token}` }, ...(signal === undefined ? {} : { signal }) });
    if (response.ok) return response;
    throw await errorOf(response);
  }
}

async function errorOf(response: Response): Promise<ApiError> {
  try {
    const { error } = (await response.json()) as ExplorerError;
    return new ApiError(response.status, error.code, error.message);
  } catch {
    return new ApiError(response.status, 'http', `the server answered ${response.status}`);
  }
}

function waitFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener('abort', end);
  });
}
