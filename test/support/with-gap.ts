/** A list whose first place is empty, and not undefined: `map`, `some` and `reduce` pass over it. */
export function withGap<T>(second: T): T[] {
  const list: T[] = [];
  list[1] = second;
  return list;
}
