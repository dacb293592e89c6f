/**
 * The regions of a section: which stretches of it are in use. Kept by the section's owner alone, in private memory, so
 * nobody else can say what is free. First fit; what is freed is joined with its free neighbours. No system calls.
 */

/** A region begins where a line of the processor's cache begins: two never share one. */
export const REGION_ALIGNMENT = 64;

interface Stretch {
  start: number;
  end: number;
}

export class Regions {
  readonly size: number;
  /** In their order, none touching the next. */
  readonly #free: Stretch[];

  constructor(size: number) {
    this.size = size;
    this.#free = [{ start: 0, end: size }];
  }

  /** Where a region of this length now begins; undefined when there is no room for it. */
  allocate(length: number): number | undefined {
    const whole = align(length);
    const at = this.#free.findIndex(({ start, end }) => end - start >= whole);
    if (at < 0) return undefined;
    const free = this.#free[at]!;
    const { start } = free;
    free.start += whole;
    if (free.start === free.end) this.#free.splice(at, 1);
    return start;
  }

  /** Takes this very region. False when a part of it is in use. `offset` is a multiple of the alignment. */
  allocateAt(offset: number, length: number): boolean {
    const end = offset + align(length);
    const at = this.#free.findIndex((free) => free.start <= offset && end <= free.end);
    if (at < 0) return false;
    const free = this.#free[at]!;
    const rest = [{ start: free.start, end: offset }, { start: end, end: free.end }].filter(({ start, end }) => start < end);
    this.#free.splice(at, 1, ...rest);
    return true;
  }

  free(offset: number, length: number): void {
    const end = offset + align(length);
    let at = this.#free.findIndex(({ start }) => start >= end);
    if (at < 0) at = this.#free.length;
    const [before, after] = [this.#free[at - 1], this.#free[at]];
    const joinsBefore = before?.end === offset;
    const joinsAfter = after?.start === end;
    if (joinsBefore && joinsAfter) {
      before.end = after.end;
      this.#free.splice(at, 1);
    } else if (joinsBefore) before.end = end;
    else if (joinsAfter) after.start = offset;
    else this.#free.splice(at, 0, { start: offset, end });
  }

  /** Bytes that are free, and the longest region that could be had. */
  get room(): { readonly free: number; readonly longest: number } {
    let [free, longest] = [0, 0];
    for (const { start, end } of this.#free) {
      free += end - start;
      longest = Math.max(longest, end - start);
    }
    return { free, longest };
  }
}

function align(length: number): number {
  return Math.ceil(length / REGION_ALIGNMENT) * REGION_ALIGNMENT;
}
