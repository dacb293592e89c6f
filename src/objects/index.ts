/**
 * The floor of names: the namespace on disk, its objects, and who may reach them. What floors above and users of the
 * package take from here goes through this door.
 */
export { createDirectory, type CreateDirectoryOptions, createSessionDirectories, createSymbolicLink, type ObjectInformation, queryObject, readSymbolicLink, resolveName } from './namespace.js';
export { type DirectoryEntry, listDirectory, type TreeEntry, walkNamespace, type WalkOptions } from './directory-object.js';
export type { ObjectType } from './lookup.js';
export { joinName, MAX_NAME_BYTES, MAX_PART_BYTES, type ObjectName, parseObjectName } from './object-name.js';
export { bindPortName, bindPortNameSync, type BindOptions, BoundPortName, openPort } from './port-name.js';
export { removeObject, type RemoveOptions } from './removal.js';
export { namespaceRoot, type RootOptions, STANDARD_DIRECTORIES } from './root.js';
export { type AccessRight, checkAccess, createSecurityDescriptor, fileMode, type Identity, isSaidByFileMode, type SecurityDescriptor, type SecurityEntry, type SecurityOptions } from './security-descriptor.js';
export { type DirectoryWatch, type NamespaceEvent, watchDirectory, type WatchOptions } from './watch.js';
