/** What people do on the page besides talking, in a real browser against a real server, and what the other side gets of it. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer } from '../support/server-process.ts';
import type { ServerProcess } from '../support/server-process.ts';
import { DESK, PHONE, browserTool, launchBrowser, openPage } from './page-driver.ts';
import type { Side } from './page-driver.ts';

/** What came in over the sockets of the page, each with the role that the server said hello to. */
interface HeardSocket {
  role: string;
  text: string;
}

function recordSockets(page: Page): HeardSocket[] {
  const heard: HeardSocket[] = [];
  page.on('websocket', socket => {
    const entry: HeardSocket = { role: '', text: '' };
    heard.push(entry);
    socket.on('framereceived', ({ payload }) => {
      const text = payload.toString();
      const frame = JSON.parse(text) as { op: string; role?: string };
      if (frame.op === 'hello') entry.role = frame.role ?? '';
      entry.text += text;
    });
  });
  return heard;
}

async function addNote(agent: Side, text: string): Promise<void> {
  await agent.button('Note').click();
  await agent.panel.getByRole('textbox', { name: 'Note as the agent' }).fill(text);
  await agent.button('Add note').click();
  await agent.panel.locator('.note-words').getByText(text, { exact: true }).waitFor();
  await agent.button('Reply').click();
}

describe.skipIf(!browserTool.found)('a conversation on the page', () => {
  let server: ServerProcess;
  let browser: Browser;

  beforeAll(async () => {
    server = await startServer();
    browser = await launchBrowser();
  });
  afterAll(async () => {
    await browser.close();
    await server.dispose();
  });

  it('GW-2, GW-3: a note, a tag and a priority reach no byte of the visitor’s socket, and leave no gap there', async () => {
    let heard: HeardSocket[] = [];
    const { page, complaints, visitor, agent } = await openPage(browser, server.httpUrl, DESK, async page => {
      heard = recordSockets(page);
    });
    await visitor.say('hello');
    await agent.bubble('hello').waitFor();
    await addNote(agent, 'the-visitor-must-not-hear-this');
    await agent.button('Add a tag').click();
    await agent.panel.getByRole('textbox', { name: 'New tag' }).fill('Secret Tag');
    await page.keyboard.press('Enter');
    await agent.panel.getByText('secret-tag', { exact: true }).waitFor();
    await agent.panel.getByLabel('Priority').selectOption('urgent');
    await agent.say('after the note');
    await visitor.bubble('after the note').waitFor();
    await agent.message('after the note').getByText('Read', { exact: true }).waitFor();

    expect(await visitor.panel.locator('.cells .hidden').count()).toBe(3);
    expect(await agent.panel.locator('.cells .hidden').count()).toBe(0);
    for (const side of [visitor, agent]) {
      expect(await side.count('gaps').textContent()).toBe('0');
      expect(await side.count('duplicates').textContent()).toBe('0');
    }
    const wire = page.getByRole('region', { name: 'Wire' });
    await wire
      .locator('.line .remark')
      .getByText(/^Rev \d+: not for the visitor to see/)
      .waitFor();

    const staff = heard
      .filter(({ role }) => role === 'agent')
      .map(({ text }) => text)
      .join('');
    const visitors = heard
      .filter(({ role }) => role === 'visitor')
      .map(({ text }) => text)
      .join('');
    for (const secret of ['the-visitor-must-not-hear-this', 'secret-tag', 'urgent', 'NoteAdded', 'TagAdded']) {
      expect(staff).toContain(secret);
      expect(visitors).not.toContain(secret);
    }
    expect(visitors).toContain('after the note');
    expect(complaints).toEqual([]);
  });

  it('GW-6: says nothing of typing while a note is written', async () => {
    const { visitor, agent } = await openPage(browser, server.httpUrl, DESK);
    await visitor.say('hello');
    await agent.bubble('hello').waitFor();
    await agent.button('Note').click();
    await agent.panel.getByRole('textbox', { name: 'Note as the agent' }).fill('psst');
    await agent.button('Reply').click();
    expect(await visitor.panel.getByText('Bob is typing').count()).toBe(0);
    await agent.write('psst, and a reply');
    await visitor.panel.getByText('Bob is typing').waitFor();
  });

  it('GW-5: a message that is here but on no screen is delivered; looked at, it is read', async () => {
    const { page, visitor, agent } = await openPage(browser, server.httpUrl, PHONE);
    const tabs = page.getByRole('navigation', { name: 'What to show' });
    await visitor.say('are you there?');
    await visitor.message('are you there?').getByText('Delivered', { exact: true }).waitFor();
    await tabs.getByRole('button', { name: 'Agent' }).click();
    await agent.bubble('are you there?').waitFor();
    await tabs.getByRole('button', { name: 'Visitor' }).click();
    await visitor.message('are you there?').getByText('Read', { exact: true }).waitFor();
    await page.reload();
    await visitor.message('are you there?').getByText('Read', { exact: true }).waitFor();
  });

  it('resolves, rates once, and opens again by a word of the visitor', async () => {
    const { complaints, visitor, agent } = await openPage(browser, server.httpUrl, DESK);
    await visitor.say('please help');
    await agent.bubble('please help').waitFor();
    expect(await visitor.panel.getByText('How was it?').count()).toBe(0);
    await agent.button('Resolve').click();
    await visitor.panel.getByText('Resolved by Bob').waitFor();
    await visitor.panel.getByLabel('4 of 5').check({ force: true });
    await visitor.panel.getByLabel('A word about it').fill('quick');
    await visitor.button('Rate').click();
    await agent.panel.getByText('Ann rated it 4 of 5: “quick”').waitFor();
    await visitor.panel.getByText('How was it?').waitFor({ state: 'detached' });

    await visitor.say('one more thing');
    await agent.bubble('one more thing').waitFor();
    await agent.panel.getByText('Reopened by Ann').waitFor();
    await agent.button('Resolve').click();
    await agent.button('Reopen').click();
    await visitor.panel.getByText('Reopened by Bob').waitFor();
    await agent.panel.locator('.status').getByText('Open').waitFor();
    expect(complaints).toEqual([]);
  });

  it('GW-7: a resolution asked for while cut is made once the connection is back', async () => {
    const { visitor, agent } = await openPage(browser, server.httpUrl, DESK);
    await visitor.say('done?');
    await agent.bubble('done?').waitFor();
    await agent.button('Cut the connection').click();
    await agent.button('Resolve').click();
    expect(await agent.button('Resolve').isDisabled()).toBe(true);
    await agent.button('Reconnect').click();
    await visitor.panel.getByText('Resolved by Bob').waitFor();
  });

  it('shows erased words as erased, and what stands around them as it was', async () => {
    const mark = 'these words are gone';
    const { complaints, visitor, agent } = await openPage(browser, server.httpUrl, DESK, page =>
      // What an erasure leaves on the wire: null in the place of each sealed text.
      page.routeWebSocket(/\/v1\/socket/, socket => {
        const upstream = socket.connectToServer();
        upstream.onMessage(text => socket.send(text.toString().replaceAll(JSON.stringify(mark), 'null')));
      }),
    );
    await visitor.say('hello');
    await visitor.bubble('hello').waitFor();
    await visitor.say(mark);
    await agent.bubble('Erased').waitFor();
    expect(await agent.texts()).toEqual(['hello', 'Erased']);
    await visitor.bubble('Erased').waitFor();
    await visitor.message('Erased').hover();
    expect(await visitor.message('Erased').getByRole('button').count()).toBe(0);
    await visitor.message('hello').hover();
    expect(await visitor.message('hello').getByRole('button').count()).toBe(2);
    expect(await agent.count('gaps').textContent()).toBe('0');
    expect(complaints).toEqual([]);
  });
});
