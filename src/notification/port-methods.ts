/**
 * What this floor adds to the ports below it. The ports know a consumer of their messages (src/ports/diversion.ts) and nothing of
 * completion lists; so that `port.registerCompletionList()` reads as it should, it is put on them from here. package.json names
 * this file among those with side effects.
 */
import { ConnectionPort, type ConnectionMessage } from '../ports/index.js';
import { ReceivingPort } from '../ports/receiving-port.js';
import { CompletionList, type CompletionListOptions } from './completion-list.js';

declare module '../ports/connection-port.js' {
  interface ConnectionPort {
    /**
     * From now on the messages of all clients are taken with `list.poll`, and nobody is notified of them. AlpcRegisterCompletionList.
     * @throws AlpcError ERR_ALPC_ALREADY_SET when the port has a list or a completion port already; ERR_ALPC_CLOSED; ERR_ALPC_INVALID_ARGUMENT
     */
    registerCompletionList(options?: CompletionListOptions): CompletionList;
  }
}

declare module '../ports/receiving-port.js' {
  interface ReceivingPort {
    /** As that of a connection port, for what the peer sends of its own accord. */
    registerCompletionList(options?: CompletionListOptions): CompletionList<ConnectionMessage>;
  }
}

ConnectionPort.prototype.registerCompletionList = function registerCompletionList(this: ConnectionPort, options?: CompletionListOptions): CompletionList {
  return new CompletionList(this, options);
};

ReceivingPort.prototype.registerCompletionList = function registerCompletionList(this: ReceivingPort, options?: CompletionListOptions): CompletionList<ConnectionMessage> {
  return new CompletionList<ConnectionMessage>(this, options);
};
