// Dates, numbers and addresses as people read them.

/** Returns the year of `YYYY-MM-DD`. */
export const year = (date) => date?.slice(0, 4) ?? '';

const day = new Intl.DateTimeFormat('en', { dateStyle: 'long', timeZone: 'UTC' });
const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });
const number = new Intl.NumberFormat('en');
const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' });

export const longDate = (date) => day.format(new Date(`${date.slice(0, 10)}T00:00:00Z`));
export const instant = (text) => moment.format(new Date(text));
export const counted = (n) => number.format(n);

/** Returns how long ago an instant was, such as “3 hours ago”. */
export function ago(text) {
  const seconds = (new Date(text) - Date.now()) / 1000;
  for (const [unit, size] of [['day', 86_400], ['hour', 3600], ['minute', 60]]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return 'just now';
}

/** Returns “1 movie” or “2,359 movies”. */
export const movies = (n) => `${counted(n)} ${n === 1 ? 'movie' : 'movies'}`;

/** Returns the names in a list with commas. */
export const names = (text) => text.split(',').map((name) => name.trim()).filter(Boolean);

/** Returns seconds as `0:42`. */
export const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`;

/** Returns the address of the list of movies with these filters. */
export function browse(filters) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(filters)) {
    for (const one of [value].flat()) if (one) query.append(name, one);
  }
  const text = query.toString();
  return text ? `/movies?${text}` : '/movies';
}

/** Returns a browser and system that a `User-Agent` names, such as “Firefox on Linux”. */
export function device(agent) {
  if (!agent) return 'Unknown device';
  const find = (list) => list.find(([pattern]) => pattern.test(agent))?.[1];
  const browser = find([
    [/\bEdgA?\//, 'Edge'],
    [/\bOPR\//, 'Opera'],
    [/\bFirefox\/|FxiOS/, 'Firefox'],
    [/\bHeadlessChrome\/|\bChrome\/|CriOS/, 'Chrome'],
    [/\bSafari\//, 'Safari'],
    [/^curl\//, 'curl'],
  ]);
  const system = find([
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Mac OS X/, 'macOS'],
    [/Windows/, 'Windows'],
    [/CrOS/, 'ChromeOS'],
    [/Linux/, 'Linux'],
  ]);
  if (!browser && !system) return agent.slice(0, 60);
  return [browser ?? 'A browser', system].filter(Boolean).join(' on ');
}
