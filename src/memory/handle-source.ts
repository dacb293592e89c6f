/** How an object of this library, of whatever floor, gives its descriptor to a message: by a method that nobody else sees. */
import type { HandleKind } from './layout.js';

export const asHandle: unique symbol = Symbol('alpc.asHandle');

/** Something of this library's that can travel with a message as a handle: an `Event`, a `Section`, a `NamedSection`, a `ConnectionPort`. */
export interface HandleSource {
  /** Engine room. `isOwned`: whoever asks closes the descriptor. @throws AlpcError when it is closed */
  [asHandle](): { readonly fd: number; readonly kind: HandleKind; readonly isOwned?: boolean };
}
