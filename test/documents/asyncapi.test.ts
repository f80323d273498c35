import { Parser } from '@asyncapi/parser';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../src/errors.ts';
import { createAsyncApi } from '../../src/gateway/asyncapi.ts';
import { clientFrameSchema, parseClientFrame } from '../../src/gateway/client-frames.ts';
import { CLIENT_FRAME_DOCUMENTS, SERVER_FRAME_DOCUMENTS } from '../../src/gateway/frame-documents.ts';
import { serverFrameSchema } from '../../src/gateway/server-frames.ts';
import { ask, startHttp } from '../http/support.ts';

interface Document {
  readonly servers: { readonly gateway: { readonly host: string; readonly pathname: string } };
  readonly components: {
    readonly messages: Readonly<
      Record<string, { readonly payload: object; readonly examples: readonly { readonly payload: object }[] }>
    >;
    readonly schemas: Readonly<Record<string, { readonly examples?: readonly object[] }>>;
  };
  readonly channels: { readonly socket: { readonly 'x-error-codes': readonly { readonly code: string }[] } };
}

const document = createAsyncApi()('ws://127.0.0.1:3001/v1/socket') as unknown as Document;

/** All that the parser says but that there is a later version than 3.0. */
async function faultsOf(text: string): Promise<string[]> {
  const { diagnostics } = await new Parser().parse(text);
  return diagnostics
    .filter(({ code }) => code !== 'asyncapi-latest-version')
    .map(({ message, path }) => `${path.join('.')}: ${message}`);
}

/** JSON schemas of the document, with what they refer to in it. */
function validatorOf(schema: object): (value: unknown) => string[] {
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true });
  const validate = ajv.compile({ ...schema, components: document.components });
  return value =>
    validate(value) ? [] : (validate.errors ?? []).map(error => `${error.instancePath} ${error.message}`);
}

function mutated(change: (copy: Record<string, Record<string, unknown>>) => void): string {
  const copy = JSON.parse(JSON.stringify(document)) as Record<string, Record<string, unknown>>;
  change(copy);
  return JSON.stringify(copy);
}

describe('the AsyncAPI document', () => {
  it('is valid AsyncAPI 3.0, and a fault in it is found', async () => {
    expect(await faultsOf(JSON.stringify(document))).toEqual([]);
    const noInfo = mutated(copy => Reflect.deleteProperty(copy, 'info'));
    expect(await faultsOf(noInfo)).toContainEqual(expect.stringContaining('info'));
    const lost = mutated(({ channels }) => ((channels?.socket as { messages: object }).messages = {}));
    expect((await faultsOf(lost)).length).toBeGreaterThan(0);
  });

  it('has every frame of both sides, each with words and an example', () => {
    const names = [
      ...clientFrameSchema.options.map(({ shape }) => `client.${shape.op.value}`),
      ...serverFrameSchema.options.map(({ shape }) => `server.${shape.op.value}`),
    ];
    expect(Object.keys(document.components.messages).sort()).toEqual(names.sort());
    for (const [op, { summary, description, examples }] of [
      ...Object.entries(CLIENT_FRAME_DOCUMENTS),
      ...Object.entries(SERVER_FRAME_DOCUMENTS),
    ]) {
      expect(summary, op).toMatch(/^[A-Z].*[^.]$/);
      expect(description, op).toMatch(/\.$/);
      expect(examples.length, op).toBeGreaterThan(0);
    }
  });

  it.each(Object.entries(document.components.messages))('shows frames that are: %s', (name, { payload, examples }) => {
    const faults = validatorOf(payload);
    for (const { payload: frame } of examples) {
      expect(faults(frame)).toEqual([]);
      if (name.startsWith('client.'))
        expect(parseClientFrame(JSON.stringify(frame))).toMatchObject({ kind: 'frame', frame: { op: name.slice(7) } });
      // Parsed as it is, nothing left out: an example holds no field that there is not.
      else expect(serverFrameSchema.parse(frame)).toEqual(frame);
      const named = Object.keys((payload as { properties: object }).properties);
      expect(named).toEqual(expect.arrayContaining(Object.keys(frame)));
    }
    expect(faults({ ...examples[0]?.payload, op: 'other' })).not.toEqual([]);
  });

  it('knows the data of a command by its name, and of an event by its type; what it does not know is left open', () => {
    const send = validatorOf(document.components.messages['client.send']?.payload ?? {});
    const frame = { op: 'send', id: 'a', room: 'conversation:42' };
    expect(send({ ...frame, command: 'PostMessage', data: { text: 'hi', more: 1 } })).toEqual([]);
    expect(send({ ...frame, command: 'PostMessage', data: { words: 'hi' } })).not.toEqual([]);
    expect(send({ ...frame, command: 'Shout', data: {} })).not.toEqual([]);
    const event = document.components.messages['server.events']?.examples[0]?.payload as { events: object[] };
    const events = validatorOf(document.components.messages['server.events']?.payload ?? {});
    const one = (change: object) => events({ ...event, events: [{ ...event.events[0], ...change }] });
    expect(one({})).toEqual([]);
    expect(one({ data: { seq: 'nine' } })).not.toEqual([]);
    expect(one({ type: 'MessageSung', data: { key: 'C' } })).toEqual([]);
    // A visitor is not told what the staff is.
    expect(one({ type: 'ConversationClosed', data: {} })).toEqual([]);
  });

  it('names the errors that a socket is told of, and no other', () => {
    const codes = document.channels.socket['x-error-codes'].map(({ code }) => code);
    expect(codes).toEqual(Object.keys(ERROR_CODES).filter(code => codes.includes(code)));
    expect(codes).toContain('unknown-room');
    expect(codes).not.toContain('method-not-allowed');
  });

  it('is served beside the OpenAPI document, with the gateway where who asks finds it', async () => {
    const { server, keyDirectory, url } = await startHttp();
    try {
      const answer = await ask(`${url}/asyncapi.json`, { headers: { host: 'chat.example:3000' } });
      expect(answer.status).toBe(200);
      const served = answer.json as unknown as Document;
      expect(served.servers.gateway).toMatchObject({
        host: 'chat.example:3001',
        pathname: '/v1/socket',
        protocol: 'ws',
      });
      expect({ ...served, servers: document.servers }).toEqual(JSON.parse(JSON.stringify(document)));
      const openApi = (await ask(`${url}/openapi.json`)).json as { info: { description: string } };
      expect(openApi.info.description).toContain('(/asyncapi.json)');
      expect((await ask(`${url}/asyncapi.json`, { headers: { host: 'a b;c' } })).status).toBe(200);
    } finally {
      await server.close(0);
      await keyDirectory.stop();
    }
  });
});
