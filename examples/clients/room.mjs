#!/usr/bin/env node
// Follows one room of Verbatim and says what you type into it, across any number of lost connections.
//
//     TOKEN=… ROOM=conversation:42 node room.mjs            (before Node 22: npm install ws)
//
// Prints one line an event. All exactness comes from two things that outlive a connection: the cursor (`after`) and
// the commands that have no answer yet (`outbox`). CURSOR names a file that keeps the cursor across restarts.
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { URL: url = 'ws://127.0.0.1:3001/v1/socket', ROOM: room = 'conversation:42', CURSOR, TOKEN } = process.env;
const WebSocket = globalThis.WebSocket ?? (await import('ws')).default;
const BACKOFF_MAX_MS = 10_000;

let [after, log] = CURSOR && existsSync(CURSOR) ? JSON.parse(readFileSync(CURSOR, 'utf8')) : [-1];
const outbox = new Map(); // id -> the `send` frame, until it is answered
let socket;
let attempt = 0;
let comeBackAfterMs;

function connect() {
  const current = (socket = new WebSocket(url, ['verbatim.v1', `bearer.${TOKEN}`]));
  socket.onmessage = ({ data }) => current === socket && take(JSON.parse(data));
  socket.onerror = () => {}; // `close` follows
  socket.onclose = ({ code, reason }) => {
    if (current !== socket) return;
    if (code >= 4500 && code < 4600) end('the server will not have us:', code, reason);
    attempt += 1;
    const backoffMs = Math.min(BACKOFF_MAX_MS, 250 * 2 ** attempt) * (0.5 + Math.random() / 2);
    setTimeout(connect, comeBackAfterMs ?? backoffMs);
    comeBackAfterMs = undefined;
  };
}

function take(frame) {
  switch (frame.op) {
    case 'hello':
      attempt = 0;
      subscribe();
      for (const waiting of outbox.values()) transmit(waiting); // again, under the same ids: each happens once
      return;
    case 'subscribed':
      log = frame.log;
      if (frame.after !== after) reconnect();
      return;
    case 'events':
      if (frame.after !== after) return reconnect(); // would be a gap or a repeat: come back with our cursor instead
      for (const { rev, type, data } of frame.events) console.log(rev, type, data.text ?? '');
      after = frame.upTo;
      save();
      return;
    case 'reset':
      console.error('reset:', frame.reason); // tell your user: history was cut or replaced
      [after, log] = frame.reason === 'truncated' ? [frame.from - 1, frame.log] : [-1];
      return subscribe();
    case 'ack':
      outbox.delete(frame.id);
      return;
    case 'nack':
      if (frame.retryable) return retry(frame, () => outbox.has(frame.id) && transmit(outbox.get(frame.id)));
      outbox.delete(frame.id);
      console.error('refused:', frame.reason ?? frame.code, frame.message);
      return;
    case 'error':
      return frame.retryable ? retry(frame, subscribe) : end('not our room any more:', frame.message);
    case 'unsubscribed':
      return end('not our room any more:', frame.code);
    case 'drain':
      comeBackAfterMs = frame.reconnectAfterMs;
  }
}

function subscribe() {
  transmit({ op: 'subscribe', room, after, log });
}

function say(command, data) {
  const id = crypto.randomUUID();
  outbox.set(id, { op: 'send', id, room, command, data });
  transmit(outbox.get(id));
}

function transmit(frame) {
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(frame)); // else after the next `hello`
}

function retry({ retryAfterMs = 1_000 }, again) {
  const current = socket;
  setTimeout(() => current === socket && again(), retryAfterMs);
}

function reconnect() {
  socket.close();
}

function end(...why) {
  console.error(...why);
  process.exit(1);
}

function save() {
  if (!CURSOR) return;
  writeFileSync(`${CURSOR}.new`, JSON.stringify([after, log]));
  renameSync(`${CURSOR}.new`, CURSOR);
}

createInterface({ input: process.stdin }).on('line', line => line && say('PostMessage', { text: line }));
connect();
