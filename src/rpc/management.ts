/** The management interface, which every server offers beside its own: is it listening, what does it offer, what has it done. */
import { call, defineInterface } from './interface.js';
import type { Handlers } from './offer.js';
import type { Figures } from './conversation.js';
import type { Interface } from './interface.js';

export interface InterfaceEntry {
  readonly name: string;
  readonly version: string;
  readonly uuid: string | undefined;
  /** Endpoints (names of ports) where it can be reached. */
  readonly endpoints: readonly string[];
  readonly annotation: string | undefined;
}

export interface ServerStatistics {
  readonly pid: number;
  readonly connections: number;
  /** Since the server began. */
  readonly calls: number;
  readonly oneWayCalls: number;
  readonly streams: number;
  readonly faults: number;
  /** Calls whose handlers are at work now. */
  readonly active: number;
}

export const Management = defineInterface(
  { name: 'mgmt', version: '1.0', uuid: 'afa8bd80-7d8a-11c9-bef4-08002b102989' },
  { isListening: call<void, boolean>(), interfaces: call<void, InterfaceEntry[]>(), statistics: call<void, ServerStatistics>() },
);

/** What the management interface asks of its server. */
export interface Managed {
  readonly isListening: boolean;
  readonly endpoints: readonly string[];
  readonly annotation: string | undefined;
  readonly interfaces: readonly Interface[];
  readonly figures: Figures;
  readonly connections: number;
}

export function manage(server: Managed): Handlers<(typeof Management)['methods']> {
  return {
    isListening: () => server.isListening,
    interfaces: () => server.interfaces.map(({ name, version, uuid }) => ({ name, version, uuid, endpoints: server.endpoints, annotation: server.annotation })),
    statistics: () => {
      const { calls, oneWayCalls, streams, faults, active } = server.figures;
      return { pid: process.pid, connections: server.connections, calls, oneWayCalls, streams, faults, active };
    },
  };
}
