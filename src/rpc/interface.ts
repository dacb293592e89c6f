/**
 * Interfaces: what two sides agree on. `defineInterface` names one and lists its methods; from it TypeScript infers the client and the
 * handlers, and both sides the procedure numbers and the checks. It is a value like any other: put it into a module that both import.
 *
 *     export const Spooler = defineInterface({ name: 'spooler', version: '1.2' }, {
 *       print: call({ input: Job, output: Receipt }),
 *       log: oneWay<string>(),
 *       watch: stream<Filter, Change>(),
 *     });
 *
 * Versions are `major.minor`. A server is compatible with clients of the same major version and of its own minor version or an older one:
 * so methods may be added with a new minor version, and whatever breaks a client takes a new major version.
 */
import { checkOptions, checkString, invalidArgument } from '../base/arguments.js';
import { type Check, checkOf, type InputOf, isSchema, type OutputOf, type Schema, type } from './schema.js';

export type ErrorSchemas = Readonly<Record<string, Schema>>;

export interface CallMethod<I extends Schema = Schema, O extends Schema = Schema, E extends ErrorSchemas = ErrorSchemas> {
  readonly kind: 'call';
  readonly input: I;
  readonly output: O;
  readonly errors: E;
  /** It may be executed twice: a call of which it is not known whether it was executed is tried again after a reconnect. */
  readonly idempotent: boolean;
}

export interface OneWayMethod<I extends Schema = Schema> {
  readonly kind: 'one-way';
  readonly input: I;
}

export interface StreamMethod<I extends Schema = Schema, O extends Schema = Schema, S extends Schema | undefined = Schema | undefined, E extends ErrorSchemas = ErrorSchemas> {
  readonly kind: 'stream';
  readonly input: I;
  /** The items that the server sends. */
  readonly output: O;
  /** The items that the client sends, if it does. */
  readonly items: S;
  readonly errors: E;
}

export type Method = CallMethod | OneWayMethod | StreamMethod;
export type Methods = Readonly<Record<string, Method>>;

type Nothing = Schema<void>;
// oxlint-disable-next-line typescript/no-empty-object-type -- no declared errors
type NoErrors = {};

/** A call with an answer. `errors` are those that it is known for: each with the schema of its data. */
export function call(): CallMethod<Nothing, Nothing, NoErrors>;
export function call<Input, Output = void>(): CallMethod<Schema<Input>, Schema<Output>, NoErrors>;
export function call<I extends Schema = Nothing, O extends Schema = Nothing, E extends ErrorSchemas = NoErrors>(spec: { input?: I; output?: O; errors?: E; idempotent?: boolean }): CallMethod<I, O, E>;
export function call(spec: { input?: Schema; output?: Schema; errors?: ErrorSchemas; idempotent?: boolean } = {}): CallMethod {
  const { input = type(), output = type(), errors = {}, idempotent = false } = checkOptions(spec, 'spec', ['input', 'output', 'errors', 'idempotent']);
  return { kind: 'call', input: checkSchema(input, 'input'), output: checkSchema(output, 'output'), errors: checkErrors(errors), idempotent };
}

/** A call without an answer: sent and forgotten. */
export function oneWay(): OneWayMethod<Nothing>;
export function oneWay<Input>(): OneWayMethod<Schema<Input>>;
export function oneWay<I extends Schema>(spec: { input: I }): OneWayMethod<I>;
export function oneWay(spec: { input?: Schema } = {}): OneWayMethod {
  return { kind: 'one-way', input: checkSchema(checkOptions(spec, 'spec', ['input']).input ?? type(), 'input') };
}

/** A call that is answered by any number of items. If `items` is there, `type<T>()` say, the client sends items too. */
export function stream(): StreamMethod<Nothing, Nothing, undefined, NoErrors>;
export function stream<Input, Output = void>(): StreamMethod<Schema<Input>, Schema<Output>, undefined, NoErrors>;
export function stream<I extends Schema = Nothing, O extends Schema = Nothing, S extends Schema | undefined = undefined, E extends ErrorSchemas = NoErrors>(spec: { input?: I; output?: O; items?: S; errors?: E }): StreamMethod<I, O, S, E>;
export function stream(spec: { input?: Schema; output?: Schema; items?: Schema; errors?: ErrorSchemas } = {}): StreamMethod {
  const { input = type(), output = type(), items, errors = {} } = checkOptions(spec, 'spec', ['input', 'output', 'items', 'errors']);
  return { kind: 'stream', input: checkSchema(input, 'input'), output: checkSchema(output, 'output'), items: items === undefined ? undefined : checkSchema(items, 'items'), errors: checkErrors(errors) };
}

export interface InterfaceName {
  readonly name: string;
  /** `major.minor`. */
  readonly version: string;
  /** Tells two interfaces of one name apart. */
  readonly uuid?: string;
}

export class Interface<M extends Methods = Methods> {
  readonly name: string;
  readonly version: string;
  readonly uuid: string | undefined;
  readonly methods: M;

  /** Engine room: made by `defineInterface`. */
  constructor({ name, version, uuid }: InterfaceName, methods: M) {
    this.name = name;
    this.version = version;
    this.uuid = uuid;
    this.methods = methods;
  }

  toString(): string {
    return `interface ${this.name} ${this.version}`;
  }
}

/** What a client has for itself; no method can have these names. */
const RESERVED = ['then', 'catch', 'finally', 'constructor', 'close', 'binding', '__proto__'];

/** @throws AlpcError ERR_ALPC_INVALID_ARGUMENT */
export function defineInterface<M extends Methods>(name: InterfaceName, methods: M): Interface<M> {
  const given = checkOptions(name, 'name', ['name', 'version', 'uuid']);
  if (checkString(given.name, 'name.name').length === 0 || given.name!.length > 200) throw invalidArgument('name.name', 'a string of 1 to 200 characters', given.name);
  if (versionOf(given.version) === undefined) throw invalidArgument('name.version', "'major.minor', two integers from 0 to 65535", given.version);
  if (given.uuid !== undefined && !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(checkString(given.uuid, 'name.uuid'))) throw invalidArgument('name.uuid', 'a UUID', given.uuid);
  for (const [method, spec] of Object.entries(methods)) {
    if (!/^[A-Za-z_$][\w$]{0,99}$/.test(method) || RESERVED.includes(method)) throw invalidArgument('methods', `methods with names of 1 to 100 letters and digits, and not ${RESERVED.join(', ')}`, method);
    if (!['call', 'one-way', 'stream'].includes((spec as Partial<Method> | undefined)?.kind as string)) throw invalidArgument(`methods.${method}`, 'what call(), oneWay() or stream() returns', spec);
  }
  if (Object.keys(methods).length > MOST_METHODS) throw invalidArgument('methods', `at most ${MOST_METHODS} methods`, methods);
  return new Interface({ name: given.name!, version: given.version!, ...(given.uuid === undefined ? {} : { uuid: given.uuid.toLowerCase() }) }, methods);
}

export const MOST_METHODS = 1000;

export function versionOf(version: unknown): readonly [major: number, minor: number] | undefined {
  const match = typeof version === 'string' ? /^(\d{1,5})\.(\d{1,5})$/.exec(version) : null;
  const [major, minor] = [Number(match?.[1]), Number(match?.[2])];
  return match !== null && major <= 65_535 && minor <= 65_535 ? [major, minor] : undefined;
}

/** Whether a server's version serves a client's. */
export function isCompatible(server: string, client: string): boolean {
  const [theirs, mine] = [versionOf(server), versionOf(client)];
  return theirs !== undefined && mine !== undefined && theirs[0] === mine[0] && theirs[1] >= mine[1];
}

/** What checks the values of a method, made once for each side. */
export interface MethodChecks {
  readonly input: Check;
  readonly output: Check;
  readonly items: Check;
  /** Of the data of each declared error. */
  readonly errors: ReadonlyMap<string, Check>;
}

export function checksOf(owner: Interface, name: string, method: Method): MethodChecks {
  const what = (part: string): string => `${part} of ${owner.name}.${name}`;
  return {
    input: checkOf(method.input, what('the input')),
    output: method.kind === 'one-way' ? undefined : checkOf(method.output, what(method.kind === 'call' ? 'the output' : 'an item')),
    items: method.kind === 'stream' && method.items !== undefined ? checkOf(method.items, what('an item sent to')) : undefined,
    errors: new Map(method.kind === 'one-way' ? [] : Object.entries(method.errors).map(([error, schema]) => [error, checkOf(schema, what(`the data of error ${error}`))])),
  };
}

export type { InputOf, OutputOf };

function checkSchema(value: unknown, name: string): Schema {
  if (!isSchema(value)) throw invalidArgument(`spec.${name}`, 'a Standard Schema validator, or type<T>()', value);
  return value;
}

function checkErrors(errors: ErrorSchemas): ErrorSchemas {
  for (const [name, schema] of Object.entries(errors)) checkSchema(schema, `errors.${name}`);
  return errors;
}
