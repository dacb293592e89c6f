/**
 * Validators by Standard Schema, version 1: zod, valibot, arktype and others have its one property. A value is checked where it arrives:
 * arguments by the server, results by the client. `type<T>()` stands where types alone are enough; it checks nothing and costs nothing.
 */
import { AlpcError } from '../base/errors.js';

/** The part of Standard Schema (https://standardschema.dev) that is used here. */
export interface Schema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1;
    readonly vendor: string;
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>;
    readonly types?: { readonly input: Input; readonly output: Output } | undefined;
  };
}

export type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] };

export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined;
}

/** What may be handed to it, and what comes out. */
export type InputOf<S extends Schema> = NonNullable<S['~standard']['types']>['input'];
export type OutputOf<S extends Schema> = NonNullable<S['~standard']['types']>['output'];

const VENDOR = 'alpc';

/** A type without a check: for peers that are trusted to be of one build, or for values that the handler checks. */
export function type<T>(): Schema<T> {
  return { '~standard': { version: 1, vendor: VENDOR, validate: (value) => ({ value: value as T }) } };
}

/** What checks a value; undefined when nothing does. */
export type Check = ((value: unknown) => unknown) | undefined;

/** The value that the schema makes of it, or a promise of that. What does not fit is ERR_ALPC_BAD_VALUE, `what` names it. */
export function checkOf(schema: Schema, what: string): Check {
  const standard = schema['~standard'];
  if (standard.vendor === VENDOR) return undefined;
  const settle = (result: SchemaResult<unknown>): unknown => {
    if (result.issues !== undefined) throw new AlpcError('ERR_ALPC_BAD_VALUE', `${what} does not fit its schema: ${result.issues.slice(0, 5).map(issueText).join('; ')}`, { cause: result.issues });
    return result.value;
  };
  return (value) => {
    const result = standard.validate(value);
    // A promise may be of another kind than this realm's, and would pass for a result without issues.
    return 'then' in result ? Promise.resolve(result).then(settle) : settle(result);
  };
}

export function isSchema(value: unknown): value is Schema {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null || !('~standard' in value)) return false;
  const standard = value['~standard'];
  return typeof standard === 'object' && standard !== null && 'validate' in standard && typeof standard.validate === 'function';
}

function issueText({ message, path }: SchemaIssue): string {
  const where = (path ?? []).map((part) => String(typeof part === 'object' ? part.key : part)).join('.');
  return where === '' ? message : `${where}: ${message}`;
}
