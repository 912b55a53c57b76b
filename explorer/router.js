// Addresses and the history: which page is shown, and where it was scrolled to.
import { useEffect, useState } from './vendor/hooks.js';

const subscribers = new Set();
const scrolled = new Map();
const kept = new Map();

let current = read('load');
let visited = [{ path: current.path, to: current.path + current.search }];

history.scrollRestoration = 'manual';

function read(cause) {
  const { pathname, search, hash } = location;
  return {
    path: pathname.length > 1 ? pathname.replace(/\/+$/, '') || '/' : '/',
    query: new URLSearchParams(search),
    search,
    hash,
    key: history.state?.key ?? 'first',
    cause,
  };
}

function publish(cause) {
  current = read(cause);
  visited = [...visited.slice(-9), { path: current.path, to: current.path + current.search }];
  for (const subscriber of subscribers) subscriber(current);
}

function newKey() {
  return Math.random().toString(36).slice(2);
}

/** Returns the place that is shown: `path`, `query`, `key` of the history's entry, and the `cause` of arriving there. */
export function place() {
  return current;
}

/** Shows another page. `replace` leaves no entry of this one in the history. */
export function go(to, { replace = false } = {}) {
  scrolled.set(current.key, scrollY);
  const key = replace ? current.key : newKey();
  history[replace ? 'replaceState' : 'pushState']({ key }, '', to);
  if (replace) kept.delete(key);
  publish(replace ? 'replace' : 'push');
}

/** Returns the last place that isn't in `others`, or the first view. */
export function placeBefore(others) {
  return visited.findLast(({ path }) => !others.includes(path))?.to ?? '/';
}

/** Changes the address without showing another page. */
export function rewrite(to) {
  history.replaceState(history.state, '', to);
  current = read('rewrite');
}

/** Returns the current place and shows the component again when it changes. */
export function usePlace() {
  const [value, set] = useState(current);
  useEffect(() => {
    subscribers.add(set);
    set(current);
    return () => subscribers.delete(set);
  }, []);
  return value;
}

/** What a page keeps for the time when the reader comes back to it, by the history's entry. */
export function keepsake(name) {
  const key = current.key;
  const all = kept.get(key) ?? new Map();
  return {
    get: () => all.get(name),
    set: (value) => {
      all.set(name, value);
      kept.set(key, all);
      // The oldest entries go first. A Map remembers the order of insertion.
      if (kept.size > 30) kept.delete(kept.keys().next().value);
    },
  };
}

/** Forgets what pages have kept. What a page shows depends on who is signed in. */
export function forgetPages() {
  kept.clear();
}

/** Scrolls to where the reader left the page, or to its top. */
export function restoreScroll() {
  if (current.cause === 'pop') scrollTo(0, scrolled.get(current.key) ?? 0);
  else if (current.cause !== 'load') scrollTo(0, 0);
}

addEventListener('popstate', () => {
  scrolled.set(current.key, scrollY);
  publish('pop');
});

addEventListener('pagehide', () => {
  try {
    sessionStorage.setItem('marquee.scroll', JSON.stringify([current.key, scrollY]));
  } catch {
    // Storage may be off. Then a reload starts at the top.
  }
});

/** Returns where this page was scrolled to before it was loaded again. */
export function scrollBeforeReload() {
  try {
    const [key, y] = JSON.parse(sessionStorage.getItem('marquee.scroll') ?? '[]');
    return key === current.key ? y : 0;
  } catch {
    return 0;
  }
}

// Links of the explorer show the next page without loading the document again. The API's own pages are left to the browser.
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = event.target.closest?.('a[href]');
  if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (link.pathname.startsWith('/api/') || link.getAttribute('href').startsWith('#')) return;
  event.preventDefault();
  const to = link.pathname + link.search + link.hash;
  go(to, { replace: to === location.pathname + location.search + location.hash });
});
