// A browser that complains: about errors in its console, requests to other hosts, what axe finds, and what is too wide.
import fs from 'node:fs';
import { chromium } from 'playwright-core';

const AXE = fs.readFileSync('node_modules/axe-core/axe.min.js', 'utf8');
const RULES = ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'];
const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export const complaints = [];

export async function launch() {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
}

/** Opens a context and a page of this size and color scheme. `expected` are answers that the console may report as failed. */
export async function open(browser, base, { width = 1280, scheme = 'light', expected = [] } = {}) {
  const context = await browser.newContext({
    viewport: { width, height: 860 },
    colorScheme: scheme,
    reducedMotion: 'reduce',
  });
  context.on('page', (page) => watch(page, base, expected));
  return { context, page: await context.newPage() };
}

function watch(page, base, expected) {
  page.on('pageerror', (error) => complaints.push(`${page.url()}: ${error.message}`));
  page.on('console', (message) => {
    if (!['error', 'warning'].includes(message.type())) return;
    const text = message.text();
    if (expected.some((one) => text.includes(one))) return;
    complaints.push(`${page.url()}: console: ${text}`);
  });
  page.on('request', (request) => {
    const url = request.url();
    // The preview of a chosen image is a blob of the page itself.
    const isOwn = [`${base}/`, 'data:', `blob:${base}/`].some((begins) => url.startsWith(begins));
    if (!isOwn) complaints.push(`${page.url()}: asks ${url}`);
  });
}

/** Takes a screenshot, and complains about what axe finds and about a page that is wider than the window. */
export async function look(page, name) {
  await page.evaluate(() => document.fonts.ready);
  await page.screenshot({ path: `${name}.png` });
  const over = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (over > 0) complaints.push(`${name}: ${over} pixels wider than the window`);
  // The debugger's protocol runs a script that the page's policy would refuse.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: AXE });
  const found = await page.evaluate((rules) => axe.run(document, { runOnly: rules }), RULES);
  for (const { id, impact, nodes } of found.violations) {
    complaints.push(`${name}: axe: ${id} (${impact}), ${nodes.length} times, first ${nodes[0].html.slice(0, 200)}`);
  }
}

export function check(condition, text) {
  if (!condition) complaints.push(text);
}
