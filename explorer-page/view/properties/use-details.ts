/**
 * What is known of one object while its properties are open: a stream of its own brings a picture in each interval, beginning at once. It begins anew with what the page hears of the
 * object in between: it changed, it came back, the whole tree was asked for once more. An object that goes while it is looked at stays as it was last.
 */
import { type ReadonlySignal, useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import type { ObjectDetails } from '../../../src/explorer/model.js';
import { ApiError } from '../../logic/api.js';
import { LatencyHistory } from '../../logic/latency.js';
import { RatesOfPort } from '../../logic/rates.js';
import type { Explorer } from '../explorer.js';

export interface LiveDetails {
  readonly details: ReadonlySignal<ObjectDetails | undefined>;
  /** Why there are no details, or no newer ones. */
  readonly problem: ReadonlySignal<string | undefined>;
  readonly isGone: ReadonlySignal<boolean>;
  readonly history: LatencyHistory;
  readonly rates: RatesOfPort;
}

const SILENT = 'The server does not answer.';

export function useDetails(explorer: Explorer, name: string): LiveDetails {
  const details = useSignal<ObjectDetails | undefined>(undefined);
  const problem = useSignal<string | undefined>(undefined);
  const isGone = useSignal(false);
  const history = useRef(new LatencyHistory());
  const rates = useRef(new RatesOfPort());
  const object = explorer.namespace.get(name);

  const take = (found: ObjectDetails): void => {
    history.current.push(found.at, found.port?.latency);
    rates.current.push(found.port);
    isGone.value = false;
    problem.value = undefined;
    details.value = found;
  };
  useEffect(() => {
    let isWanted = true;
    const isFirst = (): boolean => isWanted && details.peek() === undefined; // the stream may be quicker
    const fail = (error: unknown): void => {
      problem.value = error instanceof ApiError ? error.message : SILENT; // the stream would not say why
    };
    explorer.api.object(name).then((found) => isFirst() && take(found), (error: unknown) => isFirst() && fail(error));
    return () => {
      isWanted = false;
    };
  }, [explorer, name]);
  useEffect(() => {
    const ending = new AbortController();
    void explorer.api.listen({ object: name }, {
      signal: ending.signal,
      onState: (state) => state === 'lost' && (problem.value = SILENT),
      onEvent: ({ event, data }) => {
        if (event !== 'port') return;
        if ('gone' in data) isGone.value = details.peek() !== undefined;
        else take(data);
      },
    });
    return () => ending.abort();
  }, [explorer, name, object]);
  return { details, problem, isGone, history: history.current, rates: rates.current };
}
