// Sessions: several tabs, expired and refused tokens, a session that was ended elsewhere, and edits of two people.
import { check, look } from './browser.mjs';
import { PASSWORD, add, api, change, login, session, signedIn, type } from './people.mjs';

const SUBMIT = 'main form .actions button[type=submit]';

/** Counts the requests for new tokens, by the refresh token that is sent. */
function refreshes(context) {
  const sent = [];
  context.on('request', (request) => {
    if (new URL(request.url()).pathname === '/api/auth/refresh/') sent.push(request.postDataJSON().refresh);
  });
  return sent;
}

/**
 * Four tabs find an expired token at once. One of them renews it, and no refresh token is sent twice. Without the browser's
 * lock, two tabs may send one token at the same moment, which the API forgives.
 */
async function tabs(browser, base, { locks }) {
  const name = locks ? 'tabs' : 'tabs-without-locks';
  const { context, page } = await signedIn(browser, base, name, { expected: ['status of 401'] });
  if (!locks) await context.addInitScript(() => Object.defineProperty(Navigator.prototype, 'locks', { value: undefined }));
  const pages = [page];
  while (pages.length < 4) pages.push(await context.newPage());
  const sent = refreshes(context);
  for (const parts of [{ renew: 0 }, { access: 'refused' }]) {
    const before = sent.length;
    await change(page, parts);
    await Promise.all(pages.map((one) => one.goto(`${base}/me`)));
    await Promise.all(pages.map((one) => one.waitForSelector('.sessions li')));
    if (locks) check(sent.length === before + 1, `${name}: ${sent.length - before} refreshes in four tabs after ${JSON.stringify(parts)}`);
  }
  if (locks) check(new Set(sent).size === sent.length, `${name}: a refresh token is sent twice`);
  check(new Set(sent).size === 2, `${name}: ${new Set(sent).size} tokens are sent in two renewals`);
  // The tabs go on with the token that one of them got.
  const { access } = await session(pages[3]);
  const [request] = await Promise.all([pages[3].waitForRequest('**/api/users/me/favorites/**'), pages[3].click('header >> text=Favorites')]);
  check(request.headers().authorization === `Bearer ${access}`, `${name}: a tab has a token of its own`);
  await pages[3].goto(`${base}/me`);
  await pages[3].click('text=Sign out');
  for (const one of pages) await one.waitForSelector('.account >> text=Sign in');
  await context.close();
}

/** An expired token is renewed before the request, a refused one after it. The reader sees the page. */
async function silent(browser, base) {
  const { context, page } = await signedIn(browser, base, 'sleeper', { expected: ['status of 401', 'status of 503'] });
  const sent = refreshes(context);
  await page.goto(`${base}/movies/11`);
  await page.waitForSelector('.heart.large');
  await change(page, { renew: 0, access: 'expired' });
  await page.reload();
  await page.waitForSelector('.heart.large');
  check(sent.length === 1, 'an expired token is renewed once');
  await change(page, { access: 'refused' });
  await page.reload();
  await page.waitForSelector('.heart.large');
  await page.click('.heart.large');
  await page.waitForSelector('.heart.large.on');
  await page.goto(`${base}/me/favorites`);
  await page.waitForSelector('.card');
  check(sent.length === 2, 'a refused token is renewed once');
  check((await page.locator('.toast').count()) === 0, 'a renewal is silent');
  // A server that can't renew at the moment ends no session.
  let refused = 0;
  await page.route('**/api/auth/refresh/', (route) => {
    refused += 1;
    return refused > 1 ? route.fallback() : route.fulfill({ status: 503, headers: { 'retry-after': '1' }, body: '{"detail": "Busy."}' });
  });
  await change(page, { renew: 0 });
  await page.goto(`${base}/me/favorites`);
  await page.waitForSelector('.state >> text=The server is busy');
  await page.click('.state button[aria-disabled=false]');
  await page.waitForSelector('.card');
  await context.close();
}

/** The session is ended in another browser. The page says so, keeps what was typed, and continues there after signing in. */
async function endedElsewhere(browser, base) {
  const { context, page } = await signedIn(browser, base, 'ended', { expected: ['status of 401'] });
  const end = async () => {
    const other = await login(base, 'ended');
    await api(base, 'DELETE', '/api/users/me/sessions/', { access: other.access });
    await change(page, { renew: 0 });
  };
  const signIn = async () => {
    await page.fill('[name=username]', 'ended');
    await page.fill('[name=password]', PASSWORD);
    await page.click(SUBMIT);
  };
  await page.goto(`${base}/movies/new`);
  await type(page, 'Typed Before the End');
  // The page read the session when it was opened, so another tab's change has to reach it.
  await end();
  await page.evaluate(() => dispatchEvent(new StorageEvent('storage', { key: 'marquee.session' })));
  await page.click(SUBMIT);
  await page.waitForSelector('.toast >> text=Your session has ended');
  await page.waitForSelector('.account >> text=Sign in');
  await look(page, 'ended');
  await page.click('main a.button');
  await signIn();
  await page.waitForURL('**/movies/new');
  check((await page.inputValue('main [name=title]')) === 'Typed Before the End', 'what was typed outlives the session');
  await page.click(SUBMIT);
  await page.waitForSelector('article.movie h1');
  await end();
  await page.goto(`${base}/me/favorites`);
  await page.waitForSelector('text=You are signed out');
  await page.click('main a.button');
  await signIn();
  await page.waitForURL('**/me/favorites');
  await page.waitForSelector('text=No favorites yet');
  await context.close();
}

/** Somebody else was faster with an edit. */
async function faster(browser, base) {
  const { context, page, access } = await signedIn(browser, base, 'slower', { expected: ['status of 412'] });
  const { id } = await add(base, access, 'Edited by Two');
  const edit = (body) => api(base, 'PATCH', `/api/movies/${id}/`, { access, body });
  await page.goto(`${base}/movies/${id}/edit`);
  await page.waitForSelector('main form [name=title]');
  await edit({ director: 'Somebody Else', title: 'Theirs' });
  await page.fill('main [name=title]', 'Mine');
  await page.click(SUBMIT);
  await page.waitForSelector('[role=alert] >> text=Title is now: Theirs');
  await page.click('text=Take theirs');
  check((await page.inputValue('main [name=title]')) === 'Theirs', 'the form has their title');
  check((await page.inputValue('main [name=director]')) === 'Somebody Else', 'the form has their director');
  await page.fill('main [name=title]', 'Both');
  await page.click(SUBMIT);
  await page.waitForSelector('article.movie >> text=Somebody Else');
  check((await page.textContent('h1')) === 'Both', 'the title is the one that was typed after theirs');
  await edit({ title: 'Changed Meanwhile' });
  await page.click('main >> text=Delete');
  await page.waitForSelector('dialog[open]');
  const focused = await page.evaluate(() => document.activeElement.textContent);
  check(focused === 'Cancel', `the dialog begins at ${focused}`);
  await page.click('dialog .danger');
  await page.waitForSelector('dialog >> text=Somebody has edited this movie');
  await look(page, 'delete-conflict');
  await page.click('text=Show the movie as it is now');
  await page.waitForSelector('h1 >> text=Changed Meanwhile');
  await page.click('main >> text=Delete');
  await page.click('dialog .danger');
  await page.waitForURL(`${base}/`);
  await context.close();
}

export async function sessions(browser, base) {
  await tabs(browser, base, { locks: true });
  await tabs(browser, base, { locks: false });
  await silent(browser, base);
  await endedElsewhere(browser, base);
  await faster(browser, base);
}
