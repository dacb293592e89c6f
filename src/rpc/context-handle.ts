/**
 * Context handles: a server's state of one client, named by 20 bytes that mean nothing to anybody else. A handle is good for the connection
 * and the interface that it was issued on. When the connection ends, however it ends, the rundown of each handle that is still open
 * runs, once. RPC context handles.
 */
import { randomUUID } from 'node:crypto';
import { inspect } from 'node:util';
import { AlpcError } from '../base/errors.js';
import { HANDLE_LENGTH } from './value-tags.js';

/** What a client holds of a server's state. It travels in arguments and results like any value. */
export class ContextHandle {
  readonly #id: string;

  /** Engine room: handles are made by `context.openHandle`, and arrive in results. `id` is 40 hexadecimal digits. */
  constructor(id: string) {
    this.#id = id;
  }

  /** Its 20 bytes in hexadecimal digits. */
  get id(): string {
    return this.#id;
  }

  equals(other: ContextHandle): boolean {
    return other.#id === this.#id;
  }

  toString(): string {
    return `context handle ${this.#id}`;
  }

  [inspect.custom](): string {
    return `[ContextHandle ${this.#id.slice(8)}]`;
  }
}

interface Entry {
  readonly owner: unknown;
  readonly state: unknown;
  readonly rundown: ((state: never) => unknown) | undefined;
}

/** The handles of one connection, at the side that issued them. */
export class HandleTable {
  readonly #entries = new Map<string, Entry>();
  readonly #limit: number;
  readonly #report: (error: unknown) => void;

  /** `report` is told what a rundown throws: nobody else could be. */
  constructor(limit: number, report: (error: unknown) => void) {
    this.#limit = limit;
    this.#report = report;
  }

  get size(): number {
    return this.#entries.size;
  }

  open<State>(owner: unknown, state: State, rundown: ((state: State) => unknown) | undefined): ContextHandle {
    this.#expectRoom();
    const id = `00000000${randomUUID().replaceAll('-', '')}`.padEnd(2 * HANDLE_LENGTH, '0');
    this.#entries.set(id, { owner, state, rundown: rundown });
    return new ContextHandle(id);
  }

  /** @throws AlpcError ERR_ALPC_CONTEXT_MISMATCH */
  use(owner: unknown, handle: unknown): unknown {
    return this.#find(owner, handle).state;
  }

  /** Closes one; its rundown does not run. The state. @throws as `use` */
  close(owner: unknown, handle: unknown): unknown {
    const { state } = this.#find(owner, handle);
    this.#entries.delete((handle as ContextHandle).id);
    return state;
  }

  /** Takes in a handle that was made elsewhere, where its state is; `rundown` as in `open`. @throws as `open` */
  adopt(id: string, owner: unknown, rundown: () => unknown): void {
    this.#expectRoom();
    this.#entries.set(id, { owner, state: undefined, rundown });
  }

  /** One that was taken in has ended where its state is: nothing runs. */
  forget(id: string): void {
    this.#entries.delete(id);
  }

  /** The connection has ended. */
  runDown(): void {
    for (const id of this.#entries.keys()) this.runDownOne(id);
  }

  runDownOne(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    this.#entries.delete(id);
    try {
      const result = entry.rundown?.(entry.state as never);
      if (result instanceof Promise) result.catch(this.#report);
    } catch (error) {
      this.#report(error);
    }
  }

  #expectRoom(): void {
    if (this.#entries.size >= this.#limit) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `this client holds ${this.#entries.size} context handles already`);
  }

  #find(owner: unknown, handle: unknown): Entry {
    const entry = handle instanceof ContextHandle ? this.#entries.get(handle.id) : undefined;
    if (entry !== undefined && entry.owner === owner) return entry;
    const what = handle instanceof ContextHandle ? `${handle} is not one that this interface gave to this client, or it has been closed` : 'what came is no context handle';
    throw new AlpcError('ERR_ALPC_CONTEXT_MISMATCH', what);
  }
}
