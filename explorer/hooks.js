// What pages load, and lists that grow by their `next` link.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import { get, local } from './api.js';
import { remember } from './hearts.js';
import { keepsake } from './router.js';

/**
 * Loads `path` and returns `{body, etag, error, retry, put}`. `body` is undefined until it is there. The last `path` wins. What
 * a page had when the reader left it is there at once when the reader comes back.
 */
export function useLoaded(path) {
  const keep = useRef(null);
  keep.current ??= keepsake(`loaded ${path}`);
  const [state, set] = useState(() => ({ path, ...keep.current.get() }));
  const [attempt, again] = useState(0);
  useEffect(() => {
    if (!path) return undefined;
    if (attempt === 0 && state.path === path && state.body) {
      remember(state.body);
      return undefined;
    }
    const stop = new AbortController();
    const store = keepsake(`loaded ${path}`);
    keep.current = store;
    set((now) => (now.path === path ? { path, body: now.body } : { path }));
    get(path, { signal: stop.signal }).then(
      ({ body, etag }) => {
        if (stop.signal.aborted) return;
        remember(body);
        store.set({ body, etag });
        set({ path, body, etag });
      },
      (error) => stop.signal.aborted || set({ path, error }),
    );
    return () => stop.abort();
  }, [path, attempt]);
  const retry = useCallback(() => again((n) => n + 1), []);
  const put = useCallback((body, etag) => {
    remember(body);
    keep.current.set({ body, etag });
    set((now) => ({ ...now, body, etag }));
  }, []);
  const shown = state.path === path ? state : {};
  return { body: shown.body, etag: shown.etag, error: shown.error, retry, put };
}

/**
 * Loads a collection and its next pages. Returns `{results, first, more, loading, error, retry}`: `first` is the body of the
 * first page, `more` loads the next one, or is null at the end. An item that moved to a later page meanwhile is shown once.
 */
export function useList(path) {
  const start = () => ({ path, results: null, next: null, first: null, loading: true, error: null });
  const store = useRef(null);
  store.current ??= keepsake(`list ${path}`);
  const [state, set] = useState(() => store.current.get() ?? start());
  const stop = useRef(null);
  const shown = state.path === path ? state : start();

  const load = useCallback((from, before) => {
    stop.current?.abort();
    const control = new AbortController();
    stop.current = control;
    set({ ...before, loading: true, error: null });
    get(from, { signal: control.signal }).then(
      ({ body }) => {
        if (control.signal.aborted) return;
        remember(body);
        const known = new Set((before.results ?? []).map(identity));
        const fresh = body.results.filter((item) => !known.has(identity(item)));
        const after = {
          path: before.path,
          results: [...(before.results ?? []), ...fresh],
          first: before.first ?? body,
          next: local(body.next),
          loading: false,
          error: null,
        };
        keepsake(`list ${before.path}`).set(after);
        set(after);
      },
      (error) => control.signal.aborted || set({ ...before, loading: false, error }),
    );
  }, []);

  useEffect(() => {
    if (!path) return undefined;
    if (state.path === path && state.results) {
      remember({ results: state.results });
      return () => stop.current?.abort();
    }
    load(path, start());
    return () => stop.current?.abort();
  }, [path]);

  const more = shown.next && !shown.loading ? () => load(shown.next, shown) : null;
  const retry = () => load(shown.results ? shown.next : path, shown.results ? shown : start());
  return { ...shown, more, retry, hasMore: Boolean(shown.next) };
}

function identity(item) {
  return item.id ?? item.genre;
}

/** Names the page in the browser's title. */
export function useTitle(title) {
  useLayoutEffect(() => {
    document.title = title ? `${title} · Marquee` : 'Marquee';
  }, [title]);
}

/** Returns the value as it was when it had not changed for `wait` milliseconds. */
export function useSettled(value, wait) {
  const [settled, set] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => set(value), wait);
    return () => clearTimeout(timer);
  }, [value, wait]);
  return settled;
}

/** Counts `seconds` down to 0 and returns what is left. */
export function useCountdown(seconds) {
  const [left, set] = useState(seconds);
  useEffect(() => {
    if (!seconds) {
      set(0);
      return undefined;
    }
    const ends = Date.now() + seconds * 1000;
    set(seconds);
    const timer = setInterval(() => {
      const now = Math.max(0, Math.ceil((ends - Date.now()) / 1000));
      set(now);
      if (now === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [seconds]);
  return left;
}
