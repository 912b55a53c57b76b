// Who is signed in. Tokens are in localStorage, so that tabs share a session and it survives a reload (docs/adr/0019).
import { useEffect, useState } from './vendor/hooks.js';

const KEY = 'marquee.session';
const ENDED = 'marquee.ended';
const LOCK = 'marquee.refresh';
// An access token is renewed this long before it expires, or at three quarters of a short life, so that it doesn't expire on the way.
const EARLY = 20_000;
const REFRESH_WITHIN = 15_000;
// How long the lock is kept after the tokens have been stored, and how long another tab waits to be told of them.
const LINGERS = 100;
const TOLD_WITHIN = 1_000;

const subscribers = new Set();
let memory = null; // used where the browser refuses storage
let session = load();

function load() {
  try {
    const text = localStorage.getItem(KEY);
    const value = text ? JSON.parse(text) : null;
    return value?.refresh && value?.user ? value : null;
  } catch {
    return memory;
  }
}

function store(value) {
  session = value;
  memory = value;
  try {
    if (value) localStorage.setItem(KEY, JSON.stringify(value));
    else localStorage.removeItem(KEY);
  } catch {
    // Without storage the session lasts as long as the page.
  }
  publish();
}

function publish() {
  for (const subscriber of subscribers) subscriber(session?.user ?? null);
}

// Another tab signed in, signed out or renewed the tokens.
addEventListener('storage', (event) => {
  if (event.key !== KEY && event.key !== null) return;
  const before = session?.user?.id;
  session = load();
  publish();
  if (before !== session?.user?.id) for (const listener of changes) listener();
});

const changes = new Set();
const losses = new Set();

/** Calls `listener` when the API says that the session has ended, such as by the profile in another browser. */
export function onLost(listener) {
  losses.add(listener);
}

/** Calls `listener` when another user is signed in than before, in this tab or another one. */
export function onChange(listener) {
  changes.add(listener);
}

/** Returns the signed-in user, or null. */
export function user() {
  return session?.user ?? null;
}

/** Returns the signed-in user, or null, and shows the component again when it changes. */
export function useUser() {
  const [value, set] = useState(user());
  useEffect(() => {
    const listener = (next) => set(next);
    subscribers.add(listener);
    set(user());
    return () => subscribers.delete(listener);
  }, []);
  return value;
}

/** Starts a session with the answer to a login or a registration. */
export function start(body) {
  store({ user: body.user, ...tokens(body) });
  try {
    localStorage.removeItem(ENDED);
  } catch {
    // Nothing was kept, then.
  }
  for (const listener of changes) listener();
}

/** Keeps what the API says about the user now. */
export function know(next) {
  if (session) store({ ...session, user: next });
}

/** Ends the session in every tab. */
export function end({ keepToken = false } = {}) {
  if (!session) return;
  try {
    // A login that carries a token of the account isn't slowed by other people's attempts.
    if (keepToken) localStorage.setItem(ENDED, session.refresh);
  } catch {
    // Then the login carries none.
  }
  store(null);
  for (const listener of changes) listener();
}

/** Returns a token of this browser's last session, whatever its state. */
export function lastToken() {
  try {
    return localStorage.getItem(ENDED) ?? undefined;
  } catch {
    return undefined;
  }
}

/** Returns the refresh token of the session. */
export function refreshToken() {
  session = load();
  return session?.refresh;
}

function tokens({ access, refresh, expires_in: seconds }) {
  return { access, refresh, renew: Date.now() + seconds * 1000 - Math.min(EARLY, seconds * 250) };
}

function isFresh(value) {
  // A clock that was set back must not make a token look young for ever.
  const left = value.renew - Date.now();
  return left > 0 && left < 366 * 86_400_000;
}

/** Returns whether the session's access token is good for a request, as far as this tab knows. */
const isGood = (refused) => session.access !== refused && isFresh(session);

let renewal = null;

/**
 * Returns an access token that is good for the next request, or null without a session. `refused` is a token that the API
 * has refused. The tokens are renewed once for all requests of this tab that wait for it.
 */
export async function access(refused) {
  if (!session) return null;
  if (isGood(refused)) return session.access;
  renewal ??= renew(refused).finally(() => (renewal = null));
  const next = await renewal;
  return next && next === refused ? access(refused) : next;
}

/** Renews the tokens under a lock that all tabs share: each refresh token works once. */
function renew(refused) {
  const before = session.refresh;
  return exclusively(async (waited) => {
    session = waited ? await loadNext(before) : load();
    if (!session) return null;
    if (isGood(refused)) return session.access;
    const sent = session;
    const response = await fetch('/api/auth/refresh/', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ refresh: sent.refresh }),
      signal: AbortSignal.timeout(REFRESH_WITHIN),
    });
    if (response.status === 401 || response.status === 400) {
      // Unless another tab has signed in meanwhile, which took no lock.
      if (load()?.refresh === sent.refresh) {
        end({ keepToken: true });
        for (const listener of losses) listener();
      }
      return session?.access ?? null;
    }
    if (!response.ok) throw Object.assign(new Error('refresh'), { response });
    const body = await response.json();
    const now = load();
    if (now?.refresh !== sent.refresh) return now?.access ?? null;
    store({ ...now, ...tokens(body) });
    return session.access;
  });
}

/**
 * Returns the session that another tab has stored just now, in place of the one with the refresh token `before`. A browser tells
 * one tab a little later what another one has stored. If that one has stored nothing, the session is as it was.
 */
async function loadNext(before) {
  const ends = Date.now() + TOLD_WITHIN;
  for (;;) {
    const next = load();
    if (next?.refresh !== before || Date.now() > ends) return next;
    await pause(20);
  }
}

const pause = (time) => new Promise((done) => setTimeout(done, time));

/**
 * Runs `work` in one tab at a time, and returns what it returns. `work` is told whether another tab had to be waited for. The
 * next tab begins a little later, when it can read what was stored.
 */
async function exclusively(work) {
  // Browsers offer the lock on https and on this machine's own address only.
  if (navigator.locks) {
    return new Promise((done, failed) => {
      const run = async (waited) => {
        try {
          done(await work(waited));
        } catch (error) {
          failed(error);
        }
        await pause(LINGERS);
      };
      const first = navigator.locks.request(LOCK, { ifAvailable: true }, (lock) => (lock ? run(false).then(() => true) : false));
      first.then((ran) => ran || navigator.locks.request(LOCK, () => run(true))).catch(failed);
    });
  }
  let waited;
  try {
    waited = await lease();
  } catch {
    // Without storage there is nothing that tabs could share.
    return work(false);
  }
  try {
    return await work(waited);
  } finally {
    setTimeout(() => localStorage.removeItem(LOCK), LINGERS);
  }
}

// Without the browser's lock a lease in the storage keeps tabs apart nearly always. Where it doesn't, the API's grace for a
// repeated token does: it answers both. Returns whether another tab had the lease before.
async function lease() {
  const mine = Math.random().toString(36).slice(2);
  for (let waited = false; ; waited = true) {
    const [, until] = (localStorage.getItem(LOCK) ?? ' 0').split(' ');
    if (Number(until) < Date.now()) {
      localStorage.setItem(LOCK, `${mine} ${Date.now() + REFRESH_WITHIN}`);
      await pause(50);
      if (localStorage.getItem(LOCK)?.startsWith(mine)) return waited;
    }
    await pause(50 + Math.random() * 50);
  }
}
