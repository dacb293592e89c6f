/**
 * What this floor adds to the ports below it. The ports know a consumer of their messages (src/ports/diversion.ts) and nothing of
 * completion lists; so that `port.registerCompletionList()` reads as it should, it is put on them from here. package.json names
 * this file among those with side effects.
 */
import { invalidArgument } from '../base/arguments.js';
import { ConnectionPort, type ConnectionMessage, type Message } from '../ports/index.js';
import { ReceivingPort } from '../ports/receiving-port.js';
import type { Divertible } from '../ports/diversion.js';
import { CompletionList, type CompletionListOptions } from './completion-list.js';
import { CompletionPort } from './completion-port.js';

declare module '../ports/connection-port.js' {
  interface ConnectionPort {
    /**
     * From now on the messages of all clients are taken with `list.poll`, and nobody is notified of them. AlpcRegisterCompletionList.
     * @throws AlpcError ERR_ALPC_ALREADY_SET when the port has a list or a completion port already; ERR_ALPC_CLOSED; ERR_ALPC_INVALID_ARGUMENT
     */
    registerCompletionList(options?: CompletionListOptions): CompletionList;
    /**
     * From now on the messages of all clients come as packets of `completions`, under `key`, to whichever thread dequeues them. This thread
     * drains the port on its event loop. Connection requests stay here. NtAlpcSetInformation, ALPC_PORT_ASSOCIATE_COMPLETION_PORT.
     * @throws AlpcError ERR_ALPC_ALREADY_SET when the port has a completion port or a list already; ERR_ALPC_CLOSED; ERR_ALPC_QUOTA_EXCEEDED; ERR_ALPC_INVALID_ARGUMENT
     */
    associate(completions: CompletionPort, key: number): void;
  }
}

declare module '../ports/receiving-port.js' {
  interface ReceivingPort {
    /** As that of a connection port, for what the peer sends of its own accord. */
    registerCompletionList(options?: CompletionListOptions): CompletionList<ConnectionMessage>;
    /** As that of a connection port, for what the peer sends of its own accord. */
    associate(completions: CompletionPort, key: number): void;
  }
}

ConnectionPort.prototype.registerCompletionList = function (this: ConnectionPort, options?: CompletionListOptions): CompletionList {
  return new CompletionList(this, options);
};

ReceivingPort.prototype.registerCompletionList = function (this: ReceivingPort, options?: CompletionListOptions): CompletionList<ConnectionMessage> {
  return new CompletionList<ConnectionMessage>(this, options);
};

ConnectionPort.prototype.associate = function (this: ConnectionPort, completions: CompletionPort, key: number): void {
  associate(this, completions, key);
};

ReceivingPort.prototype.associate = function (this: ReceivingPort, completions: CompletionPort, key: number): void {
  associate(this, completions, key);
};

function associate(port: Divertible<Message>, completions: CompletionPort, key: number): void {
  if (!(completions instanceof CompletionPort)) throw invalidArgument('completions', 'a CompletionPort', completions);
  completions.associate(port, key);
}
