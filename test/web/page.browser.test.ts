/** The built page in a real browser against a real server, on a desk and on a phone. Skipped, loudly, without a Chromium. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { findChromium } from '../support/external-tools.ts';
import { REPOSITORY, signToken, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';

const BROWSER_ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const STEP_TIMEOUT_MS = 10_000;
const DESK = { width: 1440, height: 900 };
const PHONE = { width: 360, height: 740 };

const tool = findChromium();
if (!tool.found) console.warn(`\n*** SKIPPED: the page in a real browser. No Chromium: ${tool.why} ***\n`);

class Side {
  readonly panel: Locator;
  readonly #page: Page;
  constructor(page: Page, name: 'Visitor' | 'Agent') {
    this.#page = page;
    this.panel = page.getByRole('region', { name });
  }
  button(name: string): Locator {
    return this.panel.getByRole('button', { name, exact: true });
  }
  bubble(text: string): Locator {
    return this.panel.locator('.messages').getByText(text, { exact: true });
  }
  message(text: string): Locator {
    return this.panel.locator('.message').filter({ has: this.#page.getByText(text, { exact: true }) });
  }
  count(name: 'rev' | 'gaps' | 'duplicates'): Locator {
    return this.panel.locator(`[data-count=${name}]`);
  }
  async texts(): Promise<string[]> {
    return this.panel.locator('.bubble').allTextContents();
  }
  async write(text: string): Promise<void> {
    await this.panel.getByRole('textbox', { name: /^Message as/ }).fill(text);
  }
  async say(text: string): Promise<void> {
    await this.write(text);
    await this.button('Send').click();
  }
  async isOnline(): Promise<void> {
    await this.panel.getByText('Online', { exact: true }).waitFor();
  }
}

describe.skipIf(!tool.found)('the page in a browser', () => {
  let server: ServerProcess;
  let browser: Browser;

  beforeAll(async () => {
    server = await startServer();
    browser = await chromium.launch({
      executablePath: tool.found ? tool.path : '',
      args: BROWSER_ARGUMENTS,
    });
  });
  afterAll(async () => {
    await browser.close();
    await server.dispose();
  });

  /** Anything the page's policy forbids, or its code throws, fails the test. */
  async function open(viewport: { width: number; height: number }, url = server.httpUrl) {
    const page = await browser.newPage({ viewport });
    page.setDefaultTimeout(STEP_TIMEOUT_MS);
    const complaints: string[] = [];
    page.on('pageerror', error => complaints.push(error.message));
    page.on('console', message => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    onTestFinished(() => page.close());
    await page.goto(url);
    return { page, complaints, visitor: new Side(page, 'Visitor'), agent: new Side(page, 'Agent') };
  }

  it('GW-3, GW-7: a cut loses nothing and repeats nothing, in either direction', async () => {
    const { page, complaints, visitor, agent } = await open(DESK);
    await visitor.say('hello');
    await agent.bubble('hello').waitFor();
    await agent.say('how can I help?');
    await visitor.bubble('how can I help?').waitFor();
    await visitor.message('hello').getByText('✓ acked at rev 1').waitFor();

    await visitor.button('Cut the connection').click();
    for (const text of ['one', 'two', '<b>three</b> & 日本語 🎉']) await agent.say(text);
    await visitor.say('written while cut');
    await visitor.message('written while cut').getByText('waiting for the connection').waitFor();
    await agent.message('<b>three</b> & 日本語 🎉').getByText('✓ acked at rev 5').waitFor();
    expect(await visitor.texts()).toEqual(['hello', 'how can I help?', 'written while cut']);
    expect(await visitor.panel.locator('.cells .missing').count()).toBe(3);

    await visitor.button('Reconnect').click();
    await visitor.message('written while cut').getByText('✓ acked at rev 6').waitFor();
    await agent.bubble('written while cut').waitFor();
    await visitor.panel.getByText('Resumed after 2: 3…5, no gap, no duplicate.').waitFor();
    const said = ['hello', 'how can I help?', 'one', 'two', '<b>three</b> & 日本語 🎉', 'written while cut'];
    expect(await visitor.texts()).toEqual(said);
    expect(await agent.texts()).toEqual(said);
    for (const side of [visitor, agent]) {
      expect(await side.count('rev').textContent()).toBe('6');
      expect(await side.count('gaps').textContent()).toBe('0');
      expect(await side.count('duplicates').textContent()).toBe('0');
    }
    const wire = page.getByRole('region', { name: 'Wire' });
    await wire.getByText('after 2: 3…5, no gap, no duplicate').waitFor();
    expect(complaints).toEqual([]);
  });

  it('GW-7: a message whose ack was lost is there once, and says duplicate: true', async () => {
    const { complaints, visitor, agent } = await open(DESK);
    await visitor.say('before');
    await agent.bubble('before').waitFor();
    await visitor.write('in the tunnel');
    await visitor.button('Send, lose the ack').click();
    await agent.bubble('in the tunnel').waitFor();
    await visitor.message('in the tunnel').getByText('duplicate: true').waitFor();
    expect(await visitor.texts()).toEqual(['before', 'in the tunnel']);
    expect(await agent.texts()).toEqual(['before', 'in the tunnel']);
    expect(complaints).toEqual([]);
  });

  it('GW-5: edits and redactions reach the other side, and survive a reload', async () => {
    const { page, complaints, visitor, agent } = await open(DESK);
    await visitor.say('frist');
    await visitor.say('a secret');
    await agent.bubble('a secret').waitFor();

    await visitor.message('frist').hover();
    await visitor.message('frist').getByRole('button', { name: 'Edit' }).click();
    await visitor.panel.getByRole('textbox', { name: 'Edit the message' }).fill('first');
    await visitor.button('Save').click();
    await agent.message('first').getByText('edited at rev 3').waitFor();
    await visitor.message('a secret').hover();
    await visitor.message('a secret').getByRole('button', { name: 'Redact' }).click();
    await agent.panel.getByText('redacted at rev 4').waitFor();
    const after = ['first', 'Redacted by its author'];
    await expect.poll(() => agent.texts()).toEqual(after);

    await page.reload();
    await agent.panel.getByText('redacted at rev 4').waitFor();
    await visitor.panel.getByText('redacted at rev 4').waitFor();
    expect(await agent.texts()).toEqual(after);
    expect(await visitor.texts()).toEqual(after);
    expect(complaints).toEqual([]);
  });

  it('GW-6: shows that the other one is typing', async () => {
    const { visitor, agent } = await open(DESK);
    await visitor.isOnline();
    await agent.isOnline();
    await visitor.panel.locator('[data-count=rev]').getByText('0').waitFor();
    await visitor.write('I am still writing');
    await agent.panel.getByText('The visitor is typing').waitFor();
    await visitor.button('Send').click();
    await agent.bubble('I am still writing').waitFor();
    await agent.panel.getByText('The visitor is typing').waitFor({ state: 'detached' });
  });

  it('GW-2: renews its tokens before they expire, on the open connection', async () => {
    const page = await browser.newPage({ viewport: DESK });
    onTestFinished(() => page.close());
    await page.clock.install();
    await page.goto(server.httpUrl);
    await new Side(page, 'Visitor').isOnline();
    await new Side(page, 'Agent').isOnline();
    await page.clock.fastForward('56:00');
    const refreshed = page.getByRole('region', { name: 'Wire' }).locator('.op').getByText('refreshed', { exact: true });
    await expect.poll(() => refreshed.count(), { timeout: STEP_TIMEOUT_MS }).toBe(2);
    await new Side(page, 'Visitor').isOnline();
  });

  it('loads the sample once, shows its words as they were typed, and its attribution', async () => {
    const { page, complaints, agent } = await open(DESK);
    await agent.isOnline();
    await page.getByRole('button', { name: 'Load sample conversations' }).click();
    const picker = agent.panel.getByLabel('Conversation');
    await picker.waitFor();
    await agent.panel.getByText('CC BY 4.0').waitFor();
    const lines = readFileSync(join(REPOSITORY, 'examples', 'ubuntu-support-sample.ndjson'), 'utf8')
      .trim()
      .split('\n');
    await page.getByText(`${lines.length} messages imported, 0 were there already, 0 rejected`).waitFor();

    const room = await picker.inputValue();
    const said = lines
      .map(line => JSON.parse(line) as { conversation: string; text: string })
      .filter(({ conversation }) => `conversation:${conversation}` === room)
      .map(({ text }) => text);
    expect(said.length).toBeGreaterThan(100);
    await agent
      .bubble(said.at(-1) ?? '')
      .first()
      .waitFor();
    const earlier = agent.button('Earlier messages');
    await expect
      .poll(
        async () => {
          if (await earlier.isEnabled({ timeout: 100 }).catch(() => false))
            await earlier.click().catch(() => undefined);
          return agent.texts();
        },
        { timeout: STEP_TIMEOUT_MS },
      )
      .toEqual(said);
    expect(await agent.count('gaps').textContent()).toBe('0');
    expect(await agent.panel.locator('.cells .backlog').count()).toBeGreaterThan(30);
    expect(await agent.panel.locator('.cells .missing').count()).toBe(0);

    await page.getByRole('button', { name: 'Sample loaded' }).click();
    await page.getByText(`0 messages imported, ${lines.length} were there already, 0 rejected`).waitFor();
    expect(complaints).toEqual([]);
  });

  it('GW-3: both sides come back by themselves after the server was killed', async () => {
    const { visitor, agent } = await open(DESK);
    await visitor.say('before the crash');
    await agent.bubble('before the crash').waitFor();
    await server.kill9();
    await visitor.say('while it was down');
    await server.start();
    await agent.bubble('while it was down').waitFor({ timeout: 20_000 });
    await visitor.message('while it was down').getByText('✓ acked at rev 2').waitFor();
    expect(await agent.texts()).toEqual(['before the crash', 'while it was down']);
    expect(await visitor.texts()).toEqual(['before the crash', 'while it was down']);
    for (const side of [visitor, agent]) {
      expect(await side.count('gaps').textContent()).toBe('0');
      expect(await side.count('duplicates').textContent()).toBe('0');
    }
  });

  it.each([320, PHONE.width])('fits a phone %i px wide: a tab at a time, nothing beside the screen', async width => {
    const { page, visitor, agent } = await open({ ...PHONE, width });
    const tabs = page.getByRole('navigation', { name: 'What to show' });
    await visitor.say('a-word-without-any-space-that-is-much-wider-than-a-telephone-'.repeat(4));
    await tabs.getByRole('button', { name: 'Agent' }).click();
    await agent.isOnline();
    expect(await visitor.panel.isVisible()).toBe(false);
    for (const name of ['Visitor', 'Agent', 'Wire']) {
      await tabs.getByRole('button', { name }).click();
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    }
    // The verdict of a resume ends its sentence, and is not cut off.
    await tabs.getByRole('button', { name: 'Agent' }).click();
    await agent.button('Cut the connection').click();
    await tabs.getByRole('button', { name: 'Visitor' }).click();
    for (const text of ['one', 'two']) await visitor.say(text);
    await visitor.message('two').getByText('acked').waitFor();
    await tabs.getByRole('button', { name: 'Agent' }).click();
    await agent.button('Reconnect').click();
    await agent.panel.getByText('Resumed after 1: 2…3, no gap, no duplicate.').waitFor();
    const cutOff = await page.evaluate(
      `[...document.querySelectorAll('.panel.agent .note')].some(note => note.scrollWidth > note.clientWidth)`,
    );
    expect(cutOff).toBe(false);
  });

  it('asks for tokens where the server has a secret of its own', async () => {
    const secret = 'a-configured-secret-of-more-than-32-bytes';
    const configured = await startServer({ environment: { JWT_SECRET: secret } });
    onTestFinished(() => configured.dispose());
    const { page, visitor, agent } = await open(DESK, configured.httpUrl);
    await page.getByRole('heading', { name: 'Bring your own tokens' }).waitFor();
    await page.getByLabel('Gateway').fill(configured.gatewayUrl);
    await page.getByLabel('Visitor’s token').fill('nonsense');
    await page.getByRole('button', { name: 'Connect' }).click();
    await page.getByText('The visitor’s token is not a token').waitFor();
    await page.getByLabel('Visitor’s token').fill(signToken(secret, 'visitor', 'ann', { rooms: ['conversation:own'] }));
    await page.getByLabel('Agent’s token').fill(signToken(secret, 'agent', 'bob'));
    await page.getByRole('button', { name: 'Connect' }).click();
    await visitor.say('with my own token');
    await agent.bubble('with my own token').waitFor();
    expect(await page.getByRole('button', { name: 'Load sample conversations' }).count()).toBe(0);
  });
});
