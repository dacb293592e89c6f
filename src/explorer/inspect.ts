/**
 * The questions that can be asked. Each answer is taken anew, from what the kernel and the memory of the connections show, and no process
 * that is looked at has to do anything for it: it may be stopped, or hang. None of them waits.
 */
import type { RootOptions } from '../objects/index.js';
import { processInfo } from './describe.js';
import type { Graph, ObjectDetails, ProcessNode, Tree, WaitGraph } from './model.js';
import { describeObject, tree } from './objects.js';
import { graphOf, portDetails, processNodes } from './ports.js';
import { type Snapshot, takeSnapshot } from './snapshot.js';
import { waitGraphOf } from './waits.js';

/**
 * Every object of the namespace. Does not wait.
 * @throws AlpcError when the root itself can't be read, ERR_ALPC_NAME_NOT_FOUND when there is none where `root` or `$ALPC_ROOT` says
 */
export function inspectTree(options: RootOptions = {}): Tree {
  return tree(options);
}

/**
 * All that can be told of one object; of a port with its connections. Of a symbolic link itself, not of its target. Does not wait.
 * @throws AlpcError ERR_ALPC_NAME_NOT_FOUND, ERR_ALPC_NAME_INVALID, ERR_ALPC_ACCESS_DENIED
 */
export function inspectObject(name: string, options: RootOptions = {}): ObjectDetails {
  const details = describeObject(name, options);
  return details.type === 'ALPC Port' ? withPort(details, takeSnapshot(options)) : details;
}

/**
 * Processes, connections, waits: the picture of the whole. Does not wait.
 * @throws AlpcError as `inspectTree`
 */
export function inspectGraph(options: RootOptions = {}): Graph {
  return graphOf(takeSnapshot(options));
}

/**
 * The processes that serve ports or are connected to one. Does not wait.
 * @throws AlpcError as `inspectTree`
 */
export function inspectProcesses(options: RootOptions = {}): ProcessNode[] {
  return processNodes(takeSnapshot(options));
}

/**
 * Who waits for whose reply, and the circles. Does not wait.
 * @throws AlpcError as `inspectTree`
 */
export function inspectWaits(options: RootOptions = {}): WaitGraph {
  return waitGraphOf(takeSnapshot(options));
}

/** A port's file is not what its holders have open, its socket is: those are its holders. */
export function withPort(details: ObjectDetails, snapshot: Snapshot): ObjectDetails {
  const port = portDetails(snapshot, details.name);
  if (port === undefined) return details;
  const { socket } = snapshot.ports.get(details.name)!;
  const pids = socket === undefined ? [] : (snapshot.census.socketHolders.get(socket.inode) ?? []).filter((pid) => pid !== process.pid || pid === port.server?.pid);
  const holders = pids.flatMap((pid) => snapshot.census.process(pid) ?? []).map((facts) => processInfo(facts, snapshot.accounts));
  return { ...details, holders, handles: holders.length, holdersComplete: snapshot.census.hidden.size === 0, port };
}
