/**
 * Trust is a type. A number that a peer wrote is `Untrusted` until a check has bounded it; only what the check returns
 * is a plain number that may index memory or size an allocation. Read once, check, then use.
 */
declare const untrusted: unique symbol;
export type Untrusted<T> = { readonly [untrusted]: T };

export function untrustedNumber(value: number): Untrusted<number> {
  return value as unknown as Untrusted<number>;
}

/** The value, if it is an integer from `min` to `max`; else undefined. */
export function within(value: Untrusted<number>, min: number, max: number): number | undefined {
  const n = value as unknown as number;
  return Number.isInteger(n) && n >= min && n <= max ? n : undefined;
}

/** Whether it is a list of such values and nothing else. A list may have holes, which an array's own `every` passes over: where nothing is, is no such value. */
export function isListOf<T>(value: unknown, isOne: (one: unknown) => one is T): value is T[] {
  return Array.isArray(value) && Array.from<unknown>(value).every((one) => isOne(one));
}
