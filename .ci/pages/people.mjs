// People with an account, and what the API says to them besides the pages.
import { open } from './browser.mjs';

export const PASSWORD = 'correct horse battery';
const KEY = 'marquee.session';

/** Sends JSON, or an image, and returns the status and the body. */
export async function api(base, method, path, { body, access, type = 'application/json' } = {}) {
  const headers = { 'content-type': type, ...(access && { authorization: `Bearer ${access}` }) };
  const sent = type === 'application/json' && body ? JSON.stringify(body) : body;
  const answer = await fetch(base + path, { method, headers: body ? headers : { ...headers, 'content-type': '' }, body: sent });
  const text = await answer.text();
  return { status: answer.status, body: text && JSON.parse(text) };
}

/** Starts a session of a user who signs up with the first one. */
export async function login(base, username) {
  const body = { username, email: `${username}@example.com`, password: PASSWORD };
  const first = await api(base, 'POST', '/api/auth/register/', { body });
  if (first.status === 201) return first.body;
  const again = await api(base, 'POST', '/api/auth/login/', { body: { username, password: PASSWORD } });
  if (again.status !== 200) throw new Error(`login of ${username}: ${again.status}`);
  return again.body;
}

/** Opens a browser's window in which this user is signed in. */
export async function signedIn(browser, base, username, options) {
  const { user, access, refresh, expires_in: seconds } = await login(base, username);
  const { context, page } = await open(browser, base, options);
  await page.goto(`${base}/sign-in`);
  await put(page, { user, access, refresh, renew: Date.now() + seconds * 750 });
  return { context, page, access };
}

/** Puts a session where the explorer keeps it. */
async function put(page, session) {
  await page.evaluate(([key, text]) => localStorage.setItem(key, text), [KEY, JSON.stringify(session)]);
}

/** Returns the session that the explorer keeps. */
export async function session(page) {
  return JSON.parse(await page.evaluate((key) => localStorage.getItem(key), KEY));
}

/** Changes the kept session, such as `{renew: 0}` for an access token that has expired. */
export async function change(page, parts) {
  await put(page, { ...(await session(page)), ...parts });
}

/** Adds a movie and returns it. */
export async function add(base, access, title, more = {}) {
  const body = { title, director: 'A. Director', genre: 'Drama', release_date: '2031-02-03', description: 'One.\nTwo.', ...more };
  const added = await api(base, 'POST', '/api/movies/', { access, body });
  if (added.status !== 201) throw new Error(`${title}: ${JSON.stringify(added.body)}`);
  return added.body;
}

/** Types a movie into the form. */
export async function type(page, title) {
  const movie = { title, director: 'A. Director', genre: 'Drama', release_date: '2031-02-03', description: 'One.\nTwo.' };
  for (const [name, value] of Object.entries(movie)) await page.fill(`main [name=${name}]`, value);
}
