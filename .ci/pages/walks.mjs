// What people do in the explorer and the reference. `node walks.mjs URL [PART …]`; every page is looked at.
import { check, complaints, launch, look, open } from './browser.mjs';
import { covers } from './covers.mjs';
import { failures } from './failures.mjs';
import { figures } from './figures.mjs';
import { keyboard } from './keyboard.mjs';
import { PASSWORD, session, type } from './people.mjs';
import { pictures } from './pictures.mjs';
import { sessions } from './sessions.mjs';

const base = process.argv[2];
const SUBMIT = 'main form .actions button[type=submit]';

/** Pages that anyone can open, in light and dark, wide and narrow. */
async function looks(browser) {
  const pages = [
    ['home', '/', '.card .heart'],
    ['movie', '/movies/7', 'article.movie h1'],
    ['search', '/search?q=kurosowa+seven', '.card'],
    ['one-letter', '/search?q=z', '.card, .state'],
    ['movies', '/movies?genre=Drama&year=1990-1999', '.card-link'],
    ['genres', '/genres', '.genre-name'],
    ['most-liked', '/most-liked', '.card, .state'],
    ['missing', '/movies/99999999', '.state'],
    ['sign-in', '/sign-in', 'form [name=password]'],
    ['sign-up', '/sign-up', 'form [name=password]'],
    ['forgot-password', '/forgot-password', 'form [name=email]'],
    ['favorites-signed-out', '/me/favorites', '.state'],
  ];
  for (const [width, scheme] of [[1280, 'light'], [1280, 'dark'], [390, 'dark'], [320, 'light']]) {
    const { context, page } = await open(browser, base, { width, scheme, expected: ['status of 404'] });
    for (const [name, path, shown] of pages) {
      await page.goto(base + path);
      await page.waitForSelector(shown);
      await look(page, `${width}-${scheme}-${name}`);
    }
    await context.close();
  }
}

/** Finds a movie by a mistyped word, likes it, signs up for that, and sees it among the most liked. */
async function newcomer(browser) {
  const { context, page } = await open(browser, base, { expected: ['status of 400', 'status of 412'] });
  await page.goto(base);
  await page.fill('input[type=search]', 'godfahter');
  await page.waitForSelector('.found-movie');
  await look(page, 'typing');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await page.waitForSelector('article.movie h1');
  const title = await page.textContent('h1');
  check(title === 'The Godfather', `"godfahter" leads to ${title}`);
  await page.click('.heart.large');
  await page.waitForURL('**/sign-in');
  await page.click('main a[href="/sign-up"]');
  await page.fill('[name=username]', 'walker');
  await page.fill('[name=email]', 'no email');
  await page.fill('[name=password]', 'short');
  await page.click(SUBMIT);
  await page.waitForSelector('.complaint');
  check((await page.locator('.complaint').count()) === 2, 'both fields have a complaint');
  await look(page, 'sign-up-refused');
  await page.fill('[name=email]', 'walker@example.com');
  await page.fill('[name=password]', PASSWORD);
  await page.click(SUBMIT);
  await page.waitForSelector('.heart.large.on');
  check((await page.textContent('.heart.large')).trim() === '1', 'the heart counts one');
  await page.goto(`${base}/most-liked`);
  await page.waitForSelector('.ranked .card');
  check((await page.textContent('.ranked .card-link')).includes('The Godfather'), 'it is among the most liked');
  return { context, page };
}

/** Adds a movie with a hostile title, edits it amid somebody else's edit, and deletes it. */
async function owner({ page }) {
  const title = '<img src=x onerror=alert(1)> مرحبا بالعالم';
  await page.goto(`${base}/movies/new`);
  await type(page, title);
  await page.click(SUBMIT);
  await page.waitForSelector('article.movie');
  check((await page.textContent('h1')) === title, 'a title is text whatever it holds');
  await look(page, 'hostile-title');
  const id = new URL(page.url()).pathname.split('/').pop();
  await page.click('main >> text=Edit');
  await page.waitForSelector('main form [name=title]');
  const { access } = await session(page);
  await fetch(`${base}/api/movies/${id}/`, {
    method: 'PATCH',
    headers: { authorization: `Bearer ${access}`, 'content-type': 'application/json' },
    body: JSON.stringify({ director: 'Somebody Else' }),
  });
  await page.fill('main [name=title]', 'Mine');
  await page.click(SUBMIT);
  await page.waitForSelector('text=Somebody else has saved');
  await look(page, 'conflict');
  await page.click('text=Save mine over it');
  await page.waitForSelector('article.movie');
  check((await page.textContent('h1')) === 'Mine', 'an edit after a conflict is saved');
  await page.click('main >> text=Delete');
  await page.waitForSelector('dialog[open]');
  await look(page, 'delete');
  await page.click('dialog .danger');
  await page.waitForURL(`${base}/`);
}

/** Looks at the profile, goes back to a list that has grown, and signs out. */
async function wanders({ page }) {
  await page.goto(`${base}/me`);
  await page.waitForSelector('.sessions li');
  await look(page, 'profile');
  await page.goto(`${base}/movies`);
  await page.click('text=Show more');
  await page.waitForFunction(() => document.querySelectorAll('.grid .card .heart').length > 24);
  const first = await page.evaluate(() => document.activeElement === document.querySelectorAll('.grid .card-link')[24]);
  check(first, 'the keyboard continues at the first of the next movies');
  await page.click('.grid li:nth-child(30) .card-link');
  await page.waitForSelector('article.movie h1');
  await page.goBack();
  await page.waitForSelector('.grid li:nth-child(30) .card');
  await page.goto(`${base}/me`);
  await page.click('text=Sign out');
  await page.waitForSelector('.account >> text=Sign in');
}

/** Authorizes in the reference, and executes an operation there. */
async function reference(browser) {
  const { context, page } = await open(browser, base);
  const login = await fetch(`${base}/api/auth/login/`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ username: 'walker', password: PASSWORD }),
  });
  const { access } = await login.json();
  await page.goto(`${base}/api/docs/`);
  await page.waitForSelector('.opblock');
  await page.screenshot({ path: 'reference.png' });
  await page.click('.authorize');
  await page.fill('.auth-container input', access);
  await page.click('.auth-btn-wrapper .authorize');
  await page.click('.auth-btn-wrapper .btn-done');
  const operation = page.locator('.opblock', { has: page.locator('[data-path="/api/users/me/"]') }).filter({ hasText: /^\s*GET/ });
  await operation.locator('.opblock-summary-control').click();
  await operation.locator('.try-out__btn').click();
  await operation.locator('.execute').click();
  await operation.locator('.live-responses-table .response-col_status').first().waitFor();
  const answer = await operation.locator('.live-responses-table').innerText();
  check(answer.includes('200') && answer.includes('walker'), `the reference shows ${answer.slice(0, 200)}`);
  await context.close();
}

/** A newcomer becomes an owner of movies, and opens the reference. */
async function people(browser) {
  const walker = await newcomer(browser);
  await owner(walker);
  await wanders(walker);
  await reference(browser);
}

const PARTS = { looks, people, keyboard, failures, sessions, covers, figures };
// These run only when they are named.
const EXTRA = { pictures };

const browser = await launch();
try {
  for (const part of process.argv.length > 3 ? process.argv.slice(3) : Object.keys(PARTS)) await (PARTS[part] ?? EXTRA[part])(browser, base);
} catch (error) {
  // What was found before counts too.
  complaints.push(error.stack);
} finally {
  await browser.close();
}
for (const complaint of complaints) console.error(complaint);
console.log(`pages: ${complaints.length === 0 ? 'no complaint' : `${complaints.length} complaints`}`);
process.exit(complaints.length === 0 ? 0 : 1);
