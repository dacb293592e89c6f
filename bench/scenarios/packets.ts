/**
 * A completion port under stress: ten thousand packets while threads come and go, and a million messages with pauses of any length, whose takers
 * sleep until they are woken: a wake-up that is lost is a job that does not end. What is lost or doubled, and how many more threads work at once than may.
 */
import type { Measured, PacketFigures } from '../peer.js';
import type { Column, Scenario } from './scenario.js';

const column = (of: string, metric: string, heading: string): Column => ({ heading, case: of, metric, digits: 0 });

function measured(of: string, count: number, { lost, doubled, threads, tooMany, sleeps }: PacketFigures): Measured[] {
  const value = (metric: string, value: number): Measured => ({ case: of, metric, value });
  return [value('packets', count), value('lost or doubled', lost + doubled), value('threads', threads), value('threads too many', tooMany), value('sleeps', sleeps)];
}

export const packets: Scenario = {
  name: 'packets',
  title: 'Packets of a completion port while threads come and go, and messages with pauses of any length',
  columns: [
    column('come and go', 'packets', 'packets'),
    column('come and go', 'threads', 'threads that came'),
    column('come and go', 'lost or doubled', 'lost or doubled'),
    column('come and go', 'threads too many', 'too many at once'),
    column('pauses', 'packets', 'messages'),
    column('pauses', 'sleeps', 'sleeps'),
    column('pauses', 'lost or doubled', 'lost or doubled'),
    column('pauses', 'threads too many', 'too many at once'),
  ],
  maxRounds: 1,
  async measure(peer, pace) {
    const session = await peer.start('packets');
    const { comeAndGo, withPauses } = session.packets!;
    const figures = [...measured('come and go', 10_000, await comeAndGo(10_000)), ...measured('pauses', pace.pausedMessages, await withPauses(pace.pausedMessages))];
    await session.close();
    return figures;
  },
};
