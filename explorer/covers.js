// Covers: an uploaded one as an image, and a typographic one for every other movie.
import { useState } from './vendor/hooks.js';
import { names, year } from './format.js';
import { html } from './html.js';

// Hues that people connect with a genre, in degrees of OKLCH. Others get one from their name.
const HUES = {
  action: 35, adventure: 75, animation: 330, biography: 95, comedy: 85, crime: 15, documentary: 215, drama: 255,
  family: 145, fantasy: 305, history: 60, horror: 25, music: 350, musical: 340, mystery: 285, romance: 5, 'sci-fi': 200,
  sport: 130, thriller: 235, war: 110, western: 55,
};

const SHAPES = 6;

/** Returns the hue of a genre. */
export function hue(genre) {
  const name = names(genre)[0]?.toLowerCase() ?? '';
  if (name in HUES) return HUES[name];
  let hash = 7;
  for (const sign of name) hash = (hash * 31 + sign.codePointAt(0)) % 360;
  return hash;
}

// Sizes of a title, with the longest title and the longest word of each. A word of that length fits into one line.
const SIZES = [['xl', 12, 9], ['l', 24, 12], ['m', 44, 15], ['s', 90, 18]];

function size(title) {
  const longest = Math.max(...title.split(/\s+/).map((word) => word.length));
  return SIZES.find(([, whole, word]) => title.length <= whole && longest <= word)?.[0] ?? 'xs';
}

/** Returns the path of an uploaded cover: its small form or the image as it was sent. An external cover has no small form. */
export function uploaded(movie, full = false) {
  if (!movie.cover_thumbnail) return null;
  const { pathname } = new URL(full ? movie.cover_image : movie.cover_thumbnail, location.origin);
  return pathname;
}

/**
 * Shows a movie's cover, in a space of two by three that is reserved before anything is loaded. `onLost` is called when the image
 * can't be loaded.
 */
export function Cover({ movie, large = false, alt = '', eager = false, onLost }) {
  const path = uploaded(movie);
  const [broken, set] = useState(null);
  if (path && broken !== path) {
    return html`<span class="cover">
      <img
        class="picture"
        src=${path}
        alt=${alt}
        width="342"
        height="513"
        loading=${eager ? 'eager' : 'lazy'}
        decoding="async"
        onError=${() => (set(path), onLost?.())}
      />
    </span>`;
  }
  return html`<${Typographic} movie=${movie} large=${large} />`;
}

/** Whether `Cover` shows an image, so that the title has to stand elsewhere. */
export const hasPicture = (movie) => Boolean(uploaded(movie));

function Typographic({ movie, large }) {
  const title = movie.title || 'Untitled';
  const style = { '--hue': hue(movie.genre) };
  return html`<span class=${`cover set shape-${movie.id % SHAPES}${large ? ' large' : ''}`} style=${style} aria-hidden="true">
    <span class=${`cover-title size-${size(title)}`} dir="auto">${title}</span>
    <span class="cover-year">${year(movie.release_date)}</span>
  </span>`;
}
