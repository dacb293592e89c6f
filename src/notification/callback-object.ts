/**
 * Callback objects: named places in one thread where parts of a program hear from each other at once. Whoever notifies calls
 * every registered function, one after the other in the order of their registration, with two arguments; when `notify`
 * returns they have all returned.
 *
 * What a function throws reaches neither who notifies nor the other functions: it comes to the process as an uncaught
 * exception, from a tick of its own. While an object notifies, its functions may do with it what they like:
 *   - one that is registered meanwhile is called from the next notification on;
 *   - one that is unregistered meanwhile, and has not been called yet, is not called any more;
 *   - a notification from within one runs at once and to its end, then the outer one goes on;
 *   - after a close nobody is called any more.
 *
 * The names are those of `\Callback` on Windows, and functions can't leave their thread: so the names are the thread's own,
 * and are not in the namespace on disk.
 */
import { checkBoolean, checkFunction, checkOptions } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { throwApart } from '../base/uncaught.js';
import { parseObjectName } from '../objects/index.js';

/** Gets what `notify` was given, and what it was registered with. */
export type CallbackFunction<A = unknown, B = unknown, C = unknown> = (argument1: A, argument2: B, context: C) => void;

export interface CreateCallbackOptions {
  /** Whether more than one function may be registered at a time; true by default. */
  multiple?: boolean;
}

/** This thread's callback objects by their names: a register of what there is, as the kernel's directory of objects is. */
const objects = new Map<string, CallbackObject>();

/**
 * Creates a callback object in this thread. Never waits.
 * @param name the full name, `\Callback\PowerState`; left out, only who has the object can use it
 * @returns the object; its creator closes it
 * @throws AlpcError ERR_ALPC_NAME_IN_USE when this thread has one of this name; ERR_ALPC_NAME_INVALID; ERR_ALPC_INVALID_ARGUMENT
 * Windows: ExCreateCallback.
 */
export function createCallback<A = unknown, B = unknown>(name?: string, options?: CreateCallbackOptions): CallbackObject<A, B> {
  const { multiple = true } = checkOptions(options, 'options', ['multiple']);
  checkBoolean(multiple, 'options.multiple');
  const text = name === undefined ? undefined : fullName(name);
  if (text !== undefined && objects.has(text)) throw new AlpcError('ERR_ALPC_NAME_IN_USE', `'${text}' is the name of a callback object of this thread`);
  const object = new CallbackObject<A, B>(text, multiple);
  if (text !== undefined) objects.set(text, object);
  return object;
}

/**
 * The callback object of this name in this thread. Never waits.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_NAME_INVALID, ERR_ALPC_INVALID_ARGUMENT
 * Windows: ExCreateCallback, Create FALSE.
 */
export function openCallback<A = unknown, B = unknown>(name: string): CallbackObject<A, B> {
  const text = fullName(name);
  const object = objects.get(text);
  if (object === undefined) throw new AlpcError('ERR_ALPC_NAME_NOT_FOUND', `'${text}': this thread has no callback object of this name`);
  return object as CallbackObject<A, B>;
}

/** A function that is registered, until `unregister`. */
export class CallbackRegistration implements Disposable {
  readonly #remove: () => void;

  /** Engine room: made by `register`. */
  constructor(remove: () => void) {
    this.#remove = remove;
  }

  /** From now on the function is not called any more; a call that is under way returns. A second call does nothing. ExUnregisterCallback. */
  unregister(): void {
    this.#remove();
  }

  [Symbol.dispose](): void {
    this.unregister();
  }
}

interface Registered {
  readonly call: (argument1: unknown, argument2: unknown) => void;
}

/** A callback object of this thread. Its creator closes it; until then one with a name can be opened by that. */
export class CallbackObject<A = unknown, B = unknown> implements Disposable {
  readonly #multiple: boolean;
  readonly #registered = new Set<Registered>();
  #closed = false;

  /** Engine room: made by `createCallback`. */
  constructor(readonly name: string | undefined, multiple: boolean) {
    this.#multiple = multiple;
  }

  /** Whether it has been closed, by whoever had it. */
  get closed(): boolean {
    return this.#closed;
  }

  /** How many functions are registered. */
  get registrations(): number {
    return this.#registered.size;
  }

  /**
   * Registers a function. The same one may be registered more than once, and is then called as often. ExRegisterCallback.
   * @param context what the function gets as its third argument
   * @throws AlpcError ERR_ALPC_QUOTA_EXCEEDED when the object takes one function and has it; ERR_ALPC_CLOSED; ERR_ALPC_INVALID_ARGUMENT
   */
  register<C = undefined>(callback: CallbackFunction<A, B, C>, ...[context]: undefined extends C ? [context?: C] : [context: C]): CallbackRegistration {
    checkFunction(callback, 'callback');
    this.#checkOpen();
    if (!this.#multiple && this.#registered.size > 0) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this}: it takes one function, and has it`);
    const registered: Registered = { call: (argument1, argument2) => callback(argument1 as A, argument2 as B, context as C) };
    this.#registered.add(registered);
    return new CallbackRegistration(() => void this.#registered.delete(registered));
  }

  /** Calls every registered function, in the order of registration; returns when all have returned. ExNotifyCallback. @throws AlpcError ERR_ALPC_CLOSED */
  notify(argument1: A, argument2: B): void {
    this.#checkOpen();
    const all = [...this.#registered]; // who is registered meanwhile is not called
    for (const registered of all) {
      if (!this.#registered.has(registered)) continue; // unregistered by one that was called before
      try {
        registered.call(argument1, argument2);
      } catch (error) {
        throwApart(error);
      }
    }
  }

  /** Gives up the name, and unregisters everything. A second call does nothing. ObMakeTemporaryObject and ObDereferenceObject. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#registered.clear();
    if (this.name !== undefined) objects.delete(this.name);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  toString(): string {
    return `callback object ${this.name ?? 'without a name'} (${this.#closed ? 'closed' : `${this.#registered.size} registered`})`;
  }

  #checkOpen(): void {
    if (this.#closed) throw new AlpcError('ERR_ALPC_CLOSED', `${this}: it has been closed`);
  }
}

function fullName(name: string): string {
  return parseObjectName(name).text;
}
