/**
 * A WebSocket client that costs next to nothing: a TCP socket, an upgrade written by hand, and whole frames handed out
 * as bytes. All sockets of a process read into one buffer.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

/** Where a benchmark's server takes sockets, and what it wants to see in the upgrade. */
export interface WireAddress {
  readonly port: number;
  readonly path: string;
  readonly protocol?: string;
  readonly authorization?: string;
  /** Of the client's end, 127.0.0.x: each has its own range of ports. */
  readonly localAddress?: string;
}

export interface WireListener {
  readonly onText: (payload: Buffer) => void;
  /** The upgrade is through. */
  readonly onUpgraded: (socket: WireSocket) => void;
  readonly onLost: (error: Error) => void;
}

const OPCODE_TEXT = 0x1;
const OPCODE_CLOSE = 0x8;
const OPCODE_PING = 0x9;
const OPCODE_PONG = 0xa;
const READ_BUFFER = Buffer.allocUnsafeSlow(262_144);
const NOTHING = Buffer.alloc(0);
/** One for all: no server can tell, and drawing it costs. */
const KEY = randomBytes(16).toString('base64');

export class WireSocket {
  /** Called with each text frame's payload; the bytes are gone after it returns. */
  onText: (payload: Buffer) => void;
  /** Called once when the server ends the socket, or cannot be reached; where it is undefined that throws. */
  private onLost: ((error: Error) => void) | undefined;
  private readonly onUpgraded: (socket: WireSocket) => void;
  private readonly socket: Socket;
  private isUpgraded = false;
  private closing = false;
  private rest: Buffer = NOTHING;

  private constructor(address: WireAddress, told: WireListener) {
    this.onText = told.onText;
    this.onUpgraded = told.onUpgraded;
    this.onLost = told.onLost;
    this.socket = connect({
      ...{ host: '127.0.0.1', port: address.port, noDelay: true },
      ...(address.localAddress === undefined ? {} : { localAddress: address.localAddress }),
      onread: {
        buffer: READ_BUFFER,
        callback: size => {
          this.take(READ_BUFFER.subarray(0, size));
          return true;
        },
      },
    });
    this.socket.on('error', error => {
      this.fail(error);
    });
    this.socket.on('close', () => {
      if (!this.closing) this.fail(new Error('The server closed a socket.'));
    });
    this.socket.write(upgradeRequest(address), 'latin1');
  }

  /** Resolves once the upgrade is through. A socket that ends later on its own throws: every figure would be void. */
  static open(address: WireAddress, onText: (payload: Buffer) => void): Promise<WireSocket> {
    return new Promise((resolve, reject) => {
      const socket = new WireSocket(address, {
        onText,
        onUpgraded: () => {
          socket.onLost = undefined;
          resolve(socket);
        },
        onLost: reject,
      });
    });
  }

  /** Like `open`, for who is told by `onUpgraded` and `onLost` instead of being waited for. */
  static begin(address: WireAddress, told: WireListener): WireSocket {
    return new WireSocket(address, told);
  }

  sendText(text: string): void {
    this.socket.write(maskedFrame(OPCODE_TEXT, text));
  }

  close(): void {
    this.closing = true;
    this.socket.destroy();
  }

  private fail(error: Error): void {
    const { onLost } = this;
    if (onLost) {
      this.close();
      this.onLost = undefined;
      onLost(error);
    } else if (!this.closing) throw error;
  }

  private take(bytes: Buffer): void {
    let data = this.rest.length > 0 ? Buffer.concat([this.rest, bytes]) : bytes;
    this.rest = NOTHING;
    if (!this.isUpgraded) {
      const end = data.indexOf('\r\n\r\n');
      if (end >= 0) {
        const status = data.subarray(0, 12).toString('latin1');
        if (status !== 'HTTP/1.1 101') {
          this.fail(new Error(`The upgrade was answered ${status}.`));
          return;
        }
        this.isUpgraded = true;
        this.onUpgraded(this);
        data = data.subarray(end + 4);
      }
    }
    const taken = this.isUpgraded ? this.takeFrames(data) : 0;
    if (taken < data.length) this.rest = Buffer.from(data.subarray(taken));
  }

  /** How many bytes were whole frames. */
  private takeFrames(data: Buffer): number {
    let at = 0;
    while (data.length - at >= 2) {
      const opcode = (data[at] ?? 0) & 0x0f;
      let length = data[at + 1] ?? 0;
      let head = 2;
      if (length >= 126) {
        head = length === 126 ? 4 : 10;
        if (data.length - at < head) break;
        length = head === 4 ? data.readUInt16BE(at + 2) : Number(data.readBigUInt64BE(at + 2));
      }
      const end = at + head + length;
      if (end > data.length) break;
      const payload = data.subarray(at + head, end);
      if (opcode === OPCODE_TEXT) this.onText(payload);
      else if (opcode === OPCODE_PING) this.socket.write(maskedFrame(OPCODE_PONG, payload.toString('utf8')));
      else if (opcode === OPCODE_CLOSE) {
        this.fail(new Error(`The server ended a socket: ${payload.toString('latin1')}`));
        return data.length;
      } else throw new Error(`A frame of opcode ${opcode} came.`);
      at = end;
    }
    return at;
  }
}

function upgradeRequest({ port, path, protocol, authorization }: WireAddress): string {
  const lines = [
    `GET ${path} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
  ];
  if (protocol !== undefined) lines.push(`Sec-WebSocket-Protocol: ${protocol}`);
  if (authorization !== undefined) lines.push(`Authorization: ${authorization}`);
  return `${lines.join('\r\n')}\r\n\r\n`;
}

/** Clients must mask (RFC 6455, 5.3); a mask of zeros leaves the payload as it is. */
function maskedFrame(opcode: number, text: string): Buffer {
  const length = Buffer.byteLength(text);
  if (length > 65_535) throw new RangeError('A benchmark sends no such frames.');
  const head = length < 126 ? 6 : 8;
  const frame = Buffer.allocUnsafe(head + length).fill(0, 0, head);
  frame[0] = 0x80 | opcode;
  frame[1] = 0x80 | (length < 126 ? length : 126);
  if (length >= 126) frame.writeUInt16BE(length, 2);
  frame.write(text, head);
  return frame;
}
