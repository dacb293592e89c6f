/** What the daemon and its command line agree on. */
import { call, defineInterface, type, stream } from '../../src/rpc/index.js';

export interface Note {
  readonly id: number;
  readonly text: string;
  /** Who wrote it: the user, as the kernel says. */
  readonly uid: number;
  readonly written: Date;
}

export const ENDPOINT = 'notes-daemon';

export const Notes = defineInterface(
  { name: 'notes', version: '1.0' },
  {
    add: call<string, Note>(),
    remove: call({ input: type<number>(), output: type<Note>(), errors: { noSuchNote: type<{ id: number }>() } }),
    list: call<void, Note[]>(),
    /** What is added from now on. */
    follow: stream<void, Note>(),
    stop: call(),
  },
);
