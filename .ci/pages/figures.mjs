// What the pages weigh, how soon they show a movie, and whether anything moves while they load. Prints a table.
import { check, open } from './browser.mjs';
import { api, login } from './people.mjs';

// The limit of the scripts, styles and fonts of the first view, compressed.
const MOST_BYTES = 150_000;
const MOST_REQUESTS = 40;
// A first view from a warm server, in milliseconds. The fastest of the runs is compared, because the machine may be busy.
const FIRST_ROW_WITHIN = 1_000;
// Chromium calls a page good below 0.1.
const MOST_SHIFT = 0.01;
const RUNS = 5;

const PAGES = [
  ['home', '/', '.card .heart'],
  ['movies of a genre', '/movies?genre=Drama', '.card .heart'],
  ['search', '/search?q=godfather', '.card .heart'],
  ['a movie', '/movies/7', 'article.movie .heart'],
  ['most liked', '/most-liked', '.card .heart'],
];

/** Opens a page with an empty cache, and returns what it loaded and when it showed the first movie. */
async function measure(browser, base, width, [, path, shown]) {
  const { context, page } = await open(browser, base, { width });
  await page.addInitScript((selector) => {
    globalThis.shift = 0;
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) globalThis.shift += entry.value;
    }).observe({ type: 'layout-shift', buffered: true });
    new MutationObserver((_, observer) => {
      if (!document.querySelector(selector)) return;
      observer.disconnect();
      // The movie is on the screen with the next frame.
      requestAnimationFrame(() => requestAnimationFrame((time) => (globalThis.first = time)));
    }).observe(document, { childList: true, subtree: true });
  }, shown);
  await page.goto(base + path);
  await page.waitForLoadState('networkidle');
  await page.evaluate(() => document.fonts.ready);
  const found = await page.evaluate(() => {
    const [page] = performance.getEntriesByType('navigation');
    const all = [page, ...performance.getEntriesByType('resource')];
    const sum = (entries) => entries.reduce((bytes, { encodedBodySize }) => bytes + encodedBodySize, 0);
    const ends = (name) => all.filter((entry) => new URL(entry.name).pathname.endsWith(name));
    const files = [page, ...ends('.js'), ...ends('.css'), ...ends('.svg'), ...ends('.woff2')];
    return {
      scripts: sum(ends('.js')),
      files: sum(files),
      data: sum(all) - sum(files),
      requests: all.length,
      first: globalThis.first,
      shift: globalThis.shift,
    };
  });
  await context.close();
  return found;
}

const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];
const kb = (bytes) => (bytes / 1000).toFixed(1);

/** Measures every page in a wide and a narrow window, prints a table, and compares it with the limits. */
export async function figures(browser, base) {
  const { access } = await login(base, 'measurer');
  for (let id = 1; id <= 6; id++) await api(base, 'PUT', `/api/movies/${id}/favorite/`, { access });
  const lines = [];
  for (const width of [1280, 390]) {
    for (const page of PAGES) {
      const runs = [];
      while (runs.length < RUNS) runs.push(await measure(browser, base, width, page));
      const { scripts, files, data, requests } = runs[0];
      const times = runs.map(({ first }) => first);
      const shift = Math.max(...runs.map((run) => run.shift));
      const [name] = page;
      check(files <= MOST_BYTES, `${name}: ${files} bytes of files, more than ${MOST_BYTES}`);
      check(requests <= MOST_REQUESTS, `${name}: ${requests} requests, more than ${MOST_REQUESTS}`);
      check(Math.min(...times) <= FIRST_ROW_WITHIN, `${name}: the first movie takes ${Math.round(Math.min(...times))} ms`);
      check(shift <= MOST_SHIFT, `${name}, ${width} px: the layout shifts by ${shift.toFixed(3)}`);
      const time = `${Math.round(median(times))} ms`;
      lines.push(`| ${name} | ${width} px | ${kb(scripts)} kB | ${kb(files)} kB | ${kb(data)} kB | ${requests} | ${time} | ${shift.toFixed(3)} |`);
    }
  }
  console.log('| page | window | scripts | all files | data | requests | first movie | layout shift |');
  console.log('|---|---|--:|--:|--:|--:|--:|--:|');
  for (const line of lines) console.log(line);
}
