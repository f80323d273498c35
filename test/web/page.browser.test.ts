/** The built page in a real browser against a real server, on a desk and on a phone: connections and what they carry. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { REPOSITORY, signToken, startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { DESK, PHONE, STEP_TIMEOUT_MS, Side, browserTool, launchBrowser, openPage } from './page-driver.ts';

describe.skipIf(!browserTool.found)('the page in a browser', () => {
  let server: ServerProcess;
  let browser: Browser;
  const open = (viewport: { width: number; height: number }, url = server.httpUrl) => openPage(browser, url, viewport);

  beforeAll(async () => {
    server = await startServer();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await server.dispose();
  });

  it('GW-3, GW-7: a cut loses nothing and repeats nothing, in either direction', async () => {
    const { page, complaints, visitor, agent } = await open(DESK);
    await visitor.say('hello');
    await agent.bubble('hello').waitFor();
    await agent.say('how can I help?');
    await visitor.bubble('how can I help?').waitFor();
    await visitor
      .message('hello')
      .getByText(/^✓ acked at rev \d+$/)
      .waitFor();

    await visitor.button('Cut the connection').click();
    for (const text of ['one', 'two', '<b>three</b> & 日本語 🎉']) await agent.say(text);
    await visitor.say('written while cut');
    await visitor.message('written while cut').getByText('waiting for the connection').waitFor();
    await agent
      .message('<b>three</b> & 日本語 🎉')
      .getByText(/^✓ acked at rev \d+$/)
      .waitFor();
    expect(await visitor.texts()).toEqual(['hello', 'how can I help?', 'written while cut']);
    expect(await visitor.panel.locator('.cells .missing').count()).toBeGreaterThanOrEqual(3);

    await visitor.button('Reconnect').click();
    await visitor
      .message('written while cut')
      .getByText(/^✓ acked at rev \d+$/)
      .waitFor();
    await agent.bubble('written while cut').waitFor();
    await visitor.panel.getByText(/^Resumed after \d+: \d+…\d+, no gap, no duplicate\.$/).waitFor();
    const said = ['hello', 'how can I help?', 'one', 'two', '<b>three</b> & 日本語 🎉', 'written while cut'];
    expect(await visitor.texts()).toEqual(said);
    expect(await agent.texts()).toEqual(said);
    // Both have come equally far, receipts counted: the last read is recorded for both.
    await visitor.message('written while cut').getByText('Read', { exact: true }).waitFor();
    const rev = await agent.count('rev').textContent();
    await expect.poll(() => visitor.count('rev').textContent()).toBe(rev);
    for (const side of [visitor, agent]) {
      expect(await side.count('gaps').textContent()).toBe('0');
      expect(await side.count('duplicates').textContent()).toBe('0');
    }
    const wire = page.getByRole('region', { name: 'Wire' });
    await wire.getByText(/^after \d+: \d+…\d+, no gap, no duplicate$/).waitFor();
    expect(complaints).toEqual([]);
  });

  it('GW-7: a message whose ack was lost is there once, and says duplicate: true', async () => {
    const { complaints, visitor, agent } = await open(DESK);
    await visitor.say('before');
    await agent.bubble('before').waitFor();
    await visitor.write('in the tunnel');
    const size = await visitor.button('Send, lose the ack').boundingBox();
    expect(size?.height).toBeGreaterThanOrEqual(24);
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
    await agent
      .message('first')
      .getByText(/^edited at rev \d+$/)
      .waitFor();
    await visitor.message('a secret').hover();
    await visitor.message('a secret').getByRole('button', { name: 'Redact' }).click();
    await visitor.message('a secret').getByRole('button', { name: 'Keep' }).click();
    await visitor.message('a secret').getByRole('button', { name: 'Redact' }).click();
    await visitor.message('a secret').getByRole('button', { name: 'Yes' }).click();
    await agent.panel.getByText(/^redacted at rev \d+$/).waitFor();
    const after = ['first', 'Redacted'];
    await expect.poll(() => agent.texts()).toEqual(after);

    await page.reload();
    await agent.panel.getByText(/^redacted at rev \d+$/).waitFor();
    await visitor.panel.getByText(/^redacted at rev \d+$/).waitFor();
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
    await agent.panel.getByText('Ann is typing').waitFor();
    await visitor.button('Send').click();
    await agent.bubble('I am still writing').waitFor();
    await agent.panel.getByText('Ann is typing').waitFor({ state: 'detached' });
  });

  it('GW-2: renews its tokens before they expire, on the open connection', async () => {
    const page = await browser.newPage({ viewport: DESK });
    onTestFinished(() => page.close());
    await page.clock.install();
    await page.goto(server.httpUrl);
    await new Side(page, 'Visitor').isOnline();
    await new Side(page, 'Agent').isOnline();
    const op = (name: string) =>
      page.getByRole('region', { name: 'Wire' }).locator('.op').getByText(name, { exact: true });
    // Nothing may wait for an answer while the clock jumps: its time would be over at once.
    await op('ack').waitFor();
    await page.clock.fastForward('56:00');
    const refreshed = op('refreshed');
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
    await visitor
      .message('while it was down')
      .getByText(/^✓ acked at rev \d+$/)
      .waitFor();
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
    await agent.panel.getByText(/^Resumed after \d+: \d+…\d+, no gap, no duplicate\.$/).waitFor();
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
