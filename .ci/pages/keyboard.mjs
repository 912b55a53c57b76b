// The explorer by keyboard alone: the order of the focus, where it goes with a page, and what is announced.
import { check, open } from './browser.mjs';

/** Returns what has the focus, in a few words. */
const focus = (page) =>
  page.evaluate(() => {
    const { tagName, id, className, textContent, type } = document.activeElement;
    if (type === 'search') return 'search';
    return tagName === 'H1' || id === 'main' ? `${tagName.toLowerCase()} ${id}`.trim() : className.split?.(' ')[0] || textContent.trim();
  });

/** Presses Tab through the header, and compares the order with where things are: from the top, then from the left. */
async function headerOrder(page, width) {
  const places = [];
  for (let i = 0; i < 9; i++) {
    await page.keyboard.press('Tab');
    const place = await page.evaluate(() => {
      const element = document.activeElement;
      const { left, top, height } = element.getBoundingClientRect();
      return element.closest('.header') && { left, middle: top + height / 2, text: element.textContent || element.type };
    });
    if (place) places.push(place);
  }
  check(places.length === 7, `${width}: the header has ${places.length} stops: ${places.map(({ text }) => text)}`);
  for (const [i, next] of places.entries()) {
    const before = places[i - 1];
    if (!before) continue;
    const isAfter = next.middle > before.middle + 12 || (Math.abs(next.middle - before.middle) <= 12 && next.left > before.left);
    check(isAfter, `${width}: the focus goes from ${before.text} back to ${next.text}`);
  }
}

export async function keyboard(browser, base) {
  for (const width of [1280, 390, 320]) {
    const { context, page } = await open(browser, base, { width });
    await page.goto(base);
    await page.waitForSelector('.card .heart');
    await headerOrder(page, width);
    await context.close();
  }
  const { context, page } = await open(browser, base, { expected: ['status of 404'] });
  await page.goto(base);
  await page.waitForSelector('.card .heart');
  const landmarks = await page.evaluate(() => ['header', 'nav[aria-label]', 'form[role=search]', 'main', 'footer'].map((name) => document.querySelectorAll(name).length));
  check(landmarks.join() === '1,2,1,1,1', `landmarks: ${landmarks}`);
  // The skip link leads past the header.
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  check((await focus(page)).startsWith('h1'), `the skip link leads to ${await focus(page)}`);
  await page.keyboard.press('Tab');
  check((await page.evaluate(() => document.activeElement.closest('main'))) !== null, 'after the skip link the focus is in the page');
  // A page takes the focus to its heading, also when it has to be loaded first.
  await page.focus('.card-link');
  await page.keyboard.press('Enter');
  await page.waitForSelector('article.movie h1');
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  // The search says what it has found, and the arrows walk through it.
  await page.keyboard.press('/');
  check((await focus(page)) === 'search', 'the key / leads to the search');
  await page.keyboard.type('seven samu');
  await page.waitForSelector('.search [role=status] >> text=/\\d suggestions/');
  await page.keyboard.press('ArrowDown');
  const active = await page.evaluate(() => document.getElementById(document.activeElement.getAttribute('aria-activedescendant'))?.getAttribute('aria-selected'));
  check(active === 'true', 'the arrow chooses the first suggestion');
  await page.keyboard.press('Escape');
  await page.keyboard.press('Enter');
  await page.waitForURL('**/search?**');
  await page.waitForSelector('main [role=status] >> text=/movies? shown/');
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  // Another search on the same page leaves the focus in the field.
  await page.keyboard.press('/');
  await page.keyboard.type('godfather');
  await page.keyboard.press('Enter');
  await page.waitForSelector('h1 >> text=godfather');
  check((await focus(page)) === 'search', `a search on the page of results moves the focus to ${await focus(page)}`);
  // A filter leaves the focus where the reader is.
  await page.goto(`${base}/movies`);
  await page.waitForSelector('.grid .card .heart');
  await page.fill('.filters input >> nth=0', 'Akira Kurosawa');
  await page.keyboard.press('Tab');
  await page.waitForSelector('.chip >> text=Akira Kurosawa');
  await page.waitForFunction(() => document.activeElement.closest('.filters') && document.activeElement.placeholder === '1990-1999');
  await page.focus('.chip');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.tagName === 'H1');
  // Nothing moves for people who don't want it.
  const moving = await page.evaluate(() => document.getAnimations().length);
  check(moving === 0, `${moving} animations run though motion is to be reduced`);
  await context.close();
}
