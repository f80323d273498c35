/** The built page in a real browser: how its tests find their way on it. */
import { chromium } from 'playwright-core';
import type { Browser, Locator, Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { findChromium } from '../support/external-tools.ts';

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
export const STEP_TIMEOUT_MS = 10_000;
export const DESK = { width: 1440, height: 900 };
export const PHONE = { width: 360, height: 740 };

/** Skipped, loudly, without a Chromium. */
export const browserTool = findChromium();
if (!browserTool.found)
  console.warn(`\n*** SKIPPED: the page in a real browser. No Chromium: ${browserTool.why} ***\n`);

export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: browserTool.found ? browserTool.path : '', args: BROWSER_ARGUMENTS });
}

export class Side {
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

export interface OpenedPage {
  readonly page: Page;
  /** What the page's policy forbade, and what its code threw. */
  readonly complaints: readonly string[];
  readonly visitor: Side;
  readonly agent: Side;
}

/** `prepare` is called before the page is loaded. */
export async function openPage(
  browser: Browser,
  url: string,
  viewport: { width: number; height: number },
  prepare: (page: Page) => Promise<void> = async () => undefined,
): Promise<OpenedPage> {
  const page = await browser.newPage({ viewport });
  page.setDefaultTimeout(STEP_TIMEOUT_MS);
  const complaints: string[] = [];
  page.on('pageerror', error => complaints.push(error.message));
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  onTestFinished(() => page.close());
  await prepare(page);
  await page.goto(url);
  return { page, complaints, visitor: new Side(page, 'Visitor'), agent: new Side(page, 'Agent') };
}
