// What the explorer shows when a request fails, and the way on: 429, 503, no answer, no connection.
import { check, look, open } from './browser.mjs';
import { PASSWORD, api, login, signedIn, type } from './people.mjs';

const SUBMIT = 'main form .actions button[type=submit]';

/** Answers the first `times` requests of `method` to paths that begin with `path` with a failure. Returns the requests. */
async function refuse(page, method, path, status, { wait = 6, times = 1 } = {}) {
  const seen = [];
  await page.route(
    (url) => url.pathname.startsWith(path),
    async (route) => {
      if (route.request().method() !== method) return route.fallback();
      seen.push(route.request());
      if (seen.length > times) return route.fallback();
      if (status === 0) return route.abort();
      const body = JSON.stringify({ type: 'about:blank', title: 'Refused', status, detail: `Refused with ${status}.`, code: 'refused' });
      const headers = { 'content-type': 'application/problem+json', 'retry-after': String(wait) };
      return route.fulfill({ status, headers, body });
    },
  );
  return seen;
}

/** The button that waits: it sends nothing before its time, and works after it. */
async function wait(page, seen, button, text) {
  const waiting = page.locator(button, { hasText: text });
  await waiting.waitFor();
  check((await waiting.getAttribute('aria-disabled')) === 'true', `${button}: not disabled while it waits`);
  const before = seen.length;
  await waiting.click({ force: true });
  check(seen.length === before, `${button}: asks again before the wait is over`);
  await page.locator(`${button}[aria-disabled=false]`).waitFor();
}

/** Returns the text of an alert as a screen reader has it. It must not change while a time counts down. */
async function said(page) {
  return page.evaluate(() => {
    const copy = document.querySelector('main [role=alert]').cloneNode(true);
    for (const hidden of copy.querySelectorAll('[aria-hidden=true]')) hidden.remove();
    return copy.textContent;
  });
}

async function tooFast(browser, base) {
  const { context, page } = await open(browser, base, { expected: ['status of 429'] });
  const lists = await refuse(page, 'GET', '/api/movies/most-liked/', 429);
  await page.goto(`${base}/most-liked`);
  await page.waitForSelector('text=A little too fast');
  await look(page, 'too-fast');
  await wait(page, lists, '.state button', /Try again in 0:0[1-6]/);
  check((await page.textContent('.state')).includes('You can try again now.'), 'a screen reader is told the end of the wait');
  await page.focus('.state button');
  await page.keyboard.press('Enter');
  await page.locator('.ranked .card').first().or(page.getByText('No movie has a favorite yet')).waitFor();
  const focused = await page.evaluate(() => document.activeElement.tagName);
  check(focused === 'H1', `after a failure the focus is at ${focused}, not at the heading`);

  await login(base, 'hurried');
  const attempts = await refuse(page, 'POST', '/api/auth/login/', 429, { wait: 9 });
  await page.goto(`${base}/sign-in`);
  await page.fill('[name=username]', 'hurried');
  await page.fill('[name=password]', PASSWORD);
  await page.click(SUBMIT);
  await page.waitForSelector('text=/The next one is possible in 0:0[1-9]/');
  const first = await said(page);
  await look(page, 'too-many-attempts');
  await page.waitForSelector('[aria-hidden=true] >> text=/possible in 0:0[1-5]/');
  check(first.includes('0:09') && (await said(page)) === first, `a screen reader hears every second of “${first}”`);
  await wait(page, attempts, SUBMIT, /Wait 0:0[1-5]/);
  await page.click(SUBMIT);
  await page.waitForSelector('.account >> text=hurried');
  await context.close();
}

async function busy(browser, base) {
  const { context, page } = await signedIn(browser, base, 'patient', { expected: ['status of 503'] });
  const movies = await refuse(page, 'GET', '/api/movies/7/', 503);
  await page.goto(`${base}/movies/7`);
  await page.waitForSelector('text=The server is busy');
  await look(page, 'busy');
  await wait(page, movies, '.state button', /Try again in 0:0[1-6]/);
  await page.click('.state button');
  await page.waitForSelector('article.movie h1');
  // The heart goes back, and the message offers to try again.
  await refuse(page, 'PUT', '/api/movies/7/favorite/', 503, { wait: 3 });
  await page.click('.heart.large');
  await page.waitForSelector('.toast >> text=The favorite wasn’t saved');
  await page.waitForSelector('.heart.large[aria-pressed=false]');
  await look(page, 'busy-heart');
  await page.click('.toast >> text=Try again');
  await page.waitForSelector('.heart.large.on');
  await page.reload();
  await page.waitForSelector('.heart.large.on');
  // The movies that are shown stay when the next ones don't come.
  await page.goto(`${base}/movies`);
  await page.waitForSelector('.grid .card .heart');
  await refuse(page, 'GET', '/api/movies/', 503, { wait: 0 });
  await page.click('text=Show more');
  await page.waitForSelector('.state >> text=The server is busy');
  check((await page.locator('.grid .card').count()) === 24, 'the movies stay when the next ones don’t come');
  await page.click('.state button');
  await page.waitForFunction(() => document.querySelectorAll('.grid .card').length === 48);
  // A form keeps what was typed, and adds one movie.
  const sent = await refuse(page, 'POST', '/api/movies/', 503);
  await page.goto(`${base}/movies/new`);
  await type(page, 'Added Once');
  await page.click(SUBMIT);
  await page.waitForSelector('[role=alert] >> text=The server is busy');
  check((await page.inputValue('[name=title]')) === 'Added Once', 'a form keeps what was typed when the server is busy');
  await look(page, 'busy-form');
  await wait(page, sent, SUBMIT, /Wait 0:0[1-6]/);
  await page.click(SUBMIT);
  await page.waitForSelector('article.movie h1');
  const [one, two] = sent.map((request) => request.headers()['idempotency-key']);
  check(one && one === two, 'a form that is sent again has the same key');
  await context.close();
}

async function noAnswer(browser, base) {
  const { context, page } = await open(browser, base, { width: 390, scheme: 'dark', expected: ['ERR_FAILED'] });
  await refuse(page, 'GET', '/api/movies/categories/', 0);
  await page.goto(`${base}/genres`);
  await page.waitForSelector('text=The server can’t be reached');
  await look(page, 'no-answer');
  await page.click('.state button');
  await page.waitForSelector('.genre-name');
  await context.close();
}

async function offline(browser, base) {
  const { context, page, access } = await signedIn(browser, base, 'traveler', { expected: ['ERR_INTERNET_DISCONNECTED'] });
  await page.goto(base);
  await page.waitForSelector('.card .heart');
  await context.setOffline(true);
  await page.click('nav >> text=Most liked');
  await page.waitForSelector('text=You are offline');
  await look(page, 'offline');
  await page.fill('input[type=search]', 'seven');
  await page.waitForSelector('.found-note >> text=You are offline');
  await page.keyboard.press('Escape');
  // What comes back is loaded without a button.
  await context.setOffline(false);
  await page.waitForSelector('.ranked .card');
  await page.goto(`${base}/movies/9`);
  await page.waitForSelector('.heart.large');
  await context.setOffline(true);
  await page.click('.heart.large');
  await page.waitForSelector('.toast >> text=offline');
  await page.waitForSelector('.heart.large[aria-pressed=false]');
  await context.setOffline(false);
  await page.click('.toast >> text=Try again');
  await page.waitForSelector('.heart.large.on');
  await page.goto(`${base}/movies/new`);
  await type(page, 'Written on a Train');
  await context.setOffline(true);
  await page.click(SUBMIT);
  await page.waitForSelector('[role=alert] >> text=You are offline. What you entered is still here');
  await look(page, 'offline-form');
  await context.setOffline(false);
  await page.click(SUBMIT);
  await page.waitForSelector('article.movie h1');
  const mine = await api(base, 'GET', '/api/users/me/movies/', { access });
  check(mine.body.results.length === 1, `${mine.body.results.length} movies were added by one form`);
  await context.close();
}

export async function failures(browser, base) {
  await tooFast(browser, base);
  await busy(browser, base);
  await noAnswer(browser, base);
  await offline(browser, base);
}
