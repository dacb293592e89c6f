/** The packets of the handshake, as `decodePacket` reads them and as the page has them. */
import { decodePacket } from '../../../src/ports/handshake.js';
import { ProtocolViolation } from '../../../src/memory/layout.js';
import { handPacket, KIND, MAGIC, MAX_MESSAGE_LENGTH, PACKET, PACKET_HEADER, PAGE, RECORD_HEADER, VERSION } from '../peer.js';
import { mutate, type Random } from './random.js';
import { agree, roughly, type Target } from './target.js';

const WORDS = Object.values(PACKET);
const REASONS = ['none', 'rejected', 'accessDenied', 'quota', 'protocol', 'closed', 'version', 'ringTooLong'];
const KINDS = { [KIND.hello]: 'hello', [KIND.welcome]: 'welcome', [KIND.refusal]: 'refusal' } as Record<number, string>;
const MOST_DATA = MAX_MESSAGE_LENGTH - RECORD_HEADER;

export class HandshakeTarget implements Target<Buffer> {
  readonly name = 'handshake';

  make(random: Random): Buffer {
    const words = { kind: 1 + random.below(3), ringLength: PAGE << random.below(15), maxMessageLength: random.oneIn(2) ? MAX_MESSAGE_LENGTH : 32 + random.below(65_504), reason: random.below(9) };
    const length = random.oneIn(4) ? 0 : random.oneIn(500) ? MOST_DATA - random.below(3) : random.below(40);
    let bytes = handPacket(words, Buffer.alloc(length, random.next()));
    for (let times = random.below(4); times > 0; times--) bytes = mutate(random, bytes, WORDS);
    return bytes;
  }

  run(bytes: Buffer): string {
    const page = readByPage(bytes);
    let library: string;
    let why = '';
    try {
      const { kind, version, ringLength, maxMessageLength, reason, data } = decodePacket(bytes);
      library = describe(kind, version, ringLength, maxMessageLength, reason, data);
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error;
      library = 'refused';
      why = error.message;
    }
    agree(library, page);
    return why === '' ? `${page.split(' ').slice(0, 2).join(' ')}, data: ${roughly(bytes.length - PACKET_HEADER)}` : `refused: ${why.replaceAll(/\d+/g, 'N')}`;
  }

  encode(bytes: Buffer): string {
    return bytes.length > 2000 ? `${bytes.subarray(0, 64).toString('hex')}+${bytes.length - 64}*${bytes[64]}` : bytes.toString('hex');
  }

  decode(text: string): Buffer {
    const [head, rest] = text.split('+');
    const [count, byte] = (rest ?? '0*0').split('*');
    return Buffer.concat([Buffer.from(head!, 'hex'), Buffer.alloc(Number(count), Number(byte))]);
  }

  close(): void {}
}

/** The table under "The handshake". */
function readByPage(bytes: Buffer): string {
  if (bytes.length < PACKET_HEADER) return 'refused';
  const word = (name: keyof typeof PACKET): number => bytes.readUInt32LE(PACKET[name]);
  const kind = KINDS[word('kind')];
  const dataLength = word('dataLength');
  if (word('magic') !== MAGIC || kind === undefined || dataLength > MOST_DATA || dataLength !== bytes.length - PACKET_HEADER) return 'refused';
  const ringLength = word('ringLength');
  const maxMessageLength = word('maxMessageLength');
  // What a packet of another version means is for that version to say.
  if (kind !== 'refusal' && word('version') === VERSION) {
    const isPowerOfTwo = ringLength !== 0 && 2 ** Math.round(Math.log2(ringLength)) === ringLength;
    if (!isPowerOfTwo || ringLength < PAGE || ringLength > 64 * 1024 * 1024) return 'refused';
    if (maxMessageLength < RECORD_HEADER || maxMessageLength > MAX_MESSAGE_LENGTH) return 'refused';
  }
  return describe(kind, word('version'), ringLength, maxMessageLength, REASONS[word('reason')] ?? 'none', bytes.subarray(PACKET_HEADER));
}

function describe(kind: string, version: number, ringLength: number, maxMessageLength: number, reason: string, data: Buffer): string {
  return `${kind} ${version === VERSION ? 'ours' : 'other'} ${version} ${ringLength} ${maxMessageLength} ${reason} ${data.toString('latin1')}`;
}
