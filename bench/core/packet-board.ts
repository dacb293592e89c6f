/** What the threads of the scenario 'packets' are told, and the memory in which they count. */
import type { CompletionPortHandle } from '../../src/index.js';

export type PacketTask =
  | { readonly do: 'take'; readonly handle: CompletionPortHandle; readonly awaits: boolean; readonly leaveAfter: number; readonly board: SharedArrayBuffer }
  | { readonly do: 'send'; readonly port: string; readonly from: number; readonly count: number; readonly board: SharedArrayBuffer };

/** Words of the board: what was taken in all, threads at work now and at most, sleeps; and from `numbers` on how often each packet was. */
export const Board = { taken: 0, working: 1, peak: 2, sleeps: 3, numbers: 4 } as const;
