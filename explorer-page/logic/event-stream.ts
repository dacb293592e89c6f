/**
 * Reads a `text/event-stream` piece by piece, however the network cuts it. Comments keep the connection alive and say nothing.
 * `EventSource` would do this too, but it can't send the token.
 */
export interface StreamEvent {
  event: string;
  data: string;
}

export class EventStreamParser {
  #rest = '';
  #event = '';
  #data: string[] = [];

  /** The events that this piece completes. */
  push(text: string): StreamEvent[] {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/); // a \r at the very end may be half of a \r\n
    this.#rest = lines.pop()!;
    return lines.flatMap((line) => this.#line(line.replace(/\r$/, '')));
  }

  #line(line: string): StreamEvent[] {
    if (line === '') return this.#end();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#event = value;
    else if (field === 'data') this.#data.push(value);
    return [];
  }

  #end(): StreamEvent[] {
    const [event, data] = [this.#event, this.#data];
    this.#event = '';
    this.#data = [];
    return data.length === 0 ? [] : [{ event: event === '' ? 'message' : event, data: data.join('\n') }];
  }
}
