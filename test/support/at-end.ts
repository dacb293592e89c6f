/**
 * What is to be undone at the end of a test, in reverse order, also when it failed:
 *
 *     test('...', async (t) => {
 *       const port = await createPort('\\x');
 *       atEnd(t, () => port.close());
 *     });
 *
 * `t.after` would do the same, but in order of registration and after `afterEach`, so the ledger (ledger.ts) would look
 * before anything has been cleaned up. It runs what stands here first, then looks.
 */
import type { TestContext } from 'node:test';

type Undo = () => unknown;

const undoLists = new WeakMap<TestContext, Undo[]>();

export function atEnd(t: TestContext, undo: Undo): void {
  let list = undoLists.get(t);
  if (list === undefined) {
    undoLists.set(t, (list = []));
    t.after(() => cleanUp(t));
  }
  list.push(undo);
}

/** Undoes everything registered so far, last first; each thing once. Throws the first error, after all are done. */
export async function cleanUp(t: TestContext): Promise<void> {
  const list = undoLists.get(t) ?? [];
  const errors: unknown[] = [];
  for (let undo = list.pop(); undo !== undefined; undo = list.pop()) {
    try {
      await undo();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
