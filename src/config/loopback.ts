/** Which addresses reach this machine alone. */
import { isIP } from 'node:net';

/** Of an IP address as sockets and settings write it; IPv4 inside IPv6 included. */
export function isLoopback(address: string): boolean {
  const mapped = /^::ffff:(?=\d+\.)/i.exec(address);
  const plain = mapped ? address.slice(mapped[0].length) : address;
  if (isIP(plain) === 4) return plain.startsWith('127.');
  return plain === '::1';
}
