// Favorites: one number and one heart per movie, wherever the movie is shown.
import { useEffect, useState } from './vendor/hooks.js';
import { call } from './api.js';
import { go } from './router.js';
import * as session from './session.js';
import { toast } from './toasts.js';

const INTENT = 'marquee.intent';

const movies = new Map();
const subscribers = new Map();

function publish(id) {
  for (const subscriber of subscribers.get(id) ?? []) subscriber(movies.get(id));
}

/** Takes the favorites of every movie in an answer. A change that is on its way is not overwritten. */
export function remember(body) {
  const found = [];
  const collect = (value) => {
    if (Array.isArray(value)) value.forEach(collect);
    else if (value?.favorite_count !== undefined) found.push(value);
    else if (value) [value.results, value.movies].forEach((list) => list && collect(list));
  };
  collect(body);
  for (const { id, favorite, favorite_count: count } of found) {
    if (movies.get(id)?.busy) continue;
    movies.set(id, { favorite, count, busy: false, wanted: favorite });
    publish(id);
  }
}

/** Returns `{favorite, count}` of a movie and shows the component again when they change. */
export function useHeart(movie) {
  const first = movies.get(movie.id) ?? { favorite: movie.favorite, count: movie.favorite_count };
  const [value, set] = useState(first);
  useEffect(() => {
    const set_ = subscribers.get(movie.id) ?? new Set();
    subscribers.set(movie.id, set_);
    set_.add(set);
    set(movies.get(movie.id) ?? first);
    return () => {
      set_.delete(set);
      if (set_.size === 0) subscribers.delete(movie.id);
    };
  }, [movie.id]);
  return value;
}

/**
 * Adds the movie to the caller's favorites or removes it. The heart moves at once, and the answer puts the number right. Of
 * several presses while a request is on its way, the last one counts.
 */
export async function toggle(movie) {
  if (!session.user()) {
    intend({ id: movie.id, title: movie.title });
    go('/sign-in');
    return;
  }
  const now = movies.get(movie.id) ?? { favorite: movie.favorite, count: movie.favorite_count };
  await want(movie, !(now.busy ? now.wanted : now.favorite));
}

async function want(movie, wanted) {
  const before = movies.get(movie.id) ?? { favorite: movie.favorite, count: movie.favorite_count, busy: false };
  const count = before.count + (wanted === before.favorite ? 0 : wanted ? 1 : -1);
  movies.set(movie.id, { ...before, favorite: wanted, count: Math.max(0, count), wanted, busy: true });
  publish(movie.id);
  if (before.busy) return true;
  let done = true;
  let confirmed = { favorite: before.favorite, count: before.count };
  try {
    let sent;
    do {
      sent = movies.get(movie.id).wanted;
      const { body } = await call(sent ? 'PUT' : 'DELETE', `/api/movies/${movie.id}/favorite/`);
      confirmed = { favorite: body.favorite, count: body.favorite_count };
    } while (movies.get(movie.id).wanted !== sent);
  } catch (error) {
    done = false;
    // That the session has ended is said already.
    if (error.status !== 401) toast(why(error), { again: error.status === 0 || error.status >= 500 ? () => want(movie, wanted) : null });
  }
  movies.set(movie.id, { ...confirmed, wanted: confirmed.favorite, busy: false });
  publish(movie.id);
  return done;
}

function why(error) {
  if (error.status === 0) return 'You seem to be offline, so the favorite wasn’t saved.';
  if (error.status === 404) return 'This movie was deleted.';
  return `The favorite wasn’t saved. ${error.message}`;
}

/** Remembers a heart that was pressed by somebody who isn't signed in, and where. */
function intend(movie) {
  try {
    sessionStorage.setItem(INTENT, JSON.stringify({ ...movie, at: Date.now() }));
  } catch {
    // Then the heart has to be pressed again.
  }
}

/** Returns the movie whose heart is to be pressed after signing in, or null. */
export function intended() {
  try {
    const value = JSON.parse(sessionStorage.getItem(INTENT) ?? 'null');
    return value && Date.now() - value.at < 15 * 60_000 ? value : null;
  } catch {
    return null;
  }
}

/** Forgets the heart that was pressed. */
function forgetIntent() {
  try {
    sessionStorage.removeItem(INTENT);
  } catch {
    // Nothing was kept, then.
  }
}

/** Presses the heart that was pressed before signing in, and returns its movie. */
export async function fulfilIntent() {
  const movie = intended();
  forgetIntent();
  if (!movie) return null;
  const count = movies.get(movie.id)?.count ?? 0;
  if (await want({ id: movie.id, favorite: false, favorite_count: count }, true)) toast(`${movie.title} is among your favorites.`);
  return movie;
}

// Another user has other favorites. The counts stay until an answer brings new ones.
session.onChange(() => {
  for (const [id, { count, busy }] of movies) {
    if (!busy) movies.set(id, { favorite: false, count, busy: false, wanted: false });
    publish(id);
  }
});
