/** The sections that a port made: how much they may be together, and their end with the port. */
import { checkBoolean, checkInteger, checkOptions, invalidArgument } from '../base/arguments.js';
import { AlpcError } from '../base/errors.js';
import { MAX_SECTION_SIZE, Section } from '../memory/section.js';
import { wholePages } from '../memory/section-file.js';

export interface SectionOptions {
  /** Nobody can change a view once it has been sent, its owner neither: each view has a file of its own, which the kernel freezes. */
  secure?: boolean;
  /** Receivers that ask for it may write to the views. */
  writable?: boolean;
}

export class PortSections {
  readonly #name: string;
  readonly #limit: number;
  readonly #goesThrough: (connection: object) => boolean;
  readonly #sections = new Set<Section>();
  #bytes = 0;

  /** `limit` is in bytes; `goesThrough` says which connections the views are meant for. */
  constructor(name: string, limit: number, goesThrough: (connection: object) => boolean) {
    this.#name = name;
    this.#limit = limit;
    this.#goesThrough = goesThrough;
  }

  create(size: number, options: SectionOptions | undefined): Section {
    checkInteger(size, 'size', 1, MAX_SECTION_SIZE);
    const given = checkOptions(options, 'options', ['secure', 'writable']);
    const secure = given.secure !== undefined && checkBoolean(given.secure, 'options.secure');
    const writable = given.writable !== undefined && checkBoolean(given.writable, 'options.writable');
    if (secure && writable) throw invalidArgument('options.writable', 'false in a secure section, which nobody writes to', writable);
    const bytes = wholePages(size);
    if (this.#bytes + bytes > this.#limit) throw new AlpcError('ERR_ALPC_QUOTA_EXCEEDED', `${this.#name}: a section of ${bytes} bytes beside ${this.#bytes} is more than limits.sectionBytes, ${this.#limit}`);
    const section = new Section({
      name: `alpc:${this.#name}`,
      size,
      kind: secure ? 'secure' : writable ? 'read-write' : 'read-only',
      goesThrough: this.#goesThrough,
      onClose: (closed) => {
        this.#sections.delete(closed);
        this.#bytes -= bytes;
      },
    });
    this.#bytes += bytes;
    this.#sections.add(section);
    return section;
  }

  /** With the port. */
  close(): void {
    for (const section of Array.from(this.#sections)) section.close();
  }
}
