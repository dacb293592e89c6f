/** How processes and accounts are told: facts of the kernel, as the model has them. */
import { groupName, userName } from '../objects/accounts.js';
import type { ProcessFacts } from '../platform/processes.js';
import type { Account, ProcessInfo } from './model.js';

/** Names of accounts, each looked up once for one picture. */
export class Accounts {
  readonly #users = new Map<number, Account>();
  readonly #groups = new Map<number, Account>();

  user(id: number): Account {
    return known(this.#users, id, userName);
  }

  group(id: number): Account {
    return known(this.#groups, id, groupName);
  }
}

export function processInfo({ pid, command, uid, state, started }: ProcessFacts, accounts: Accounts): ProcessInfo {
  return { pid, command, user: accounts.user(uid), state, started: started.toISOString() };
}

function known(accounts: Map<number, Account>, id: number, lookUp: (id: number) => string | undefined): Account {
  const before = accounts.get(id);
  if (before !== undefined) return before;
  const name = lookUp(id);
  const account: Account = name === undefined ? { id } : { id, name };
  accounts.set(id, account);
  return account;
}
