// Movies as cards: a grid, a row with its heading, and their shapes while they load.
import { useRef } from './vendor/hooks.js';
import { Cover, hasPicture, hue } from './covers.js';
import { counted, movies, names, year } from './format.js';
import { toggle, useHeart } from './hearts.js';
import { html } from './html.js';
import { Failed, Icon } from './ui.js';

/** The heart of a movie with the count beside it. */
export function Heart({ movie, large = false }) {
  const { favorite, count } = useHeart(movie);
  return html`<button
    class=${`heart${favorite ? ' on' : ''}${large ? ' large' : ''}`}
    aria-pressed=${String(favorite)}
    aria-label=${`Favorite: ${movie.title}. ${counted(count)} ${count === 1 ? 'user has' : 'users have'} it.`}
    onClick=${() => toggle(movie)}
  >
    <${Icon} name="heart" filled=${favorite} />
    <span class="heart-count" aria-hidden="true">${count > 0 || large ? counted(count) : ''}</span>
  </button>`;
}

/** A movie in a grid. A typographic cover holds the title and the year; below an image stands the title. */
export function Card({ movie, eager = false }) {
  const picture = hasPicture(movie);
  const first = names(movie.genre)[0] ?? '';
  return html`<article class="card">
    <a class="card-link" href=${`/movies/${movie.id}`} title=${movie.title.length > 60 ? movie.title : undefined}>
      <${Cover} movie=${movie} eager=${eager} />
      ${!picture && html`<span class="sr-only">${movie.title}, ${year(movie.release_date)}</span>`}
      <span class=${picture ? 'card-title' : 'card-title by'} dir="auto">${picture ? movie.title : movie.director}</span>
    </a>
    <div class="card-foot">
      <span class="muted card-genre" dir="auto">${picture ? `${year(movie.release_date)} · ${first}` : first}</span>
      <${Heart} movie=${movie} />
    </div>
  </article>`;
}

/** The shape of a card. */
export function CardShape() {
  return html`<div class="card shape" aria-hidden="true">
    <span class="cover"></span>
    <span class="card-title by"><i></i></span>
    <div class="card-foot"><i></i></div>
  </div>`;
}

const shapes = (n) => Array.from({ length: n }, (_, i) => html`<li key=${`shape-${i}`}><${CardShape} /></li>`);

/** A row of movies under a heading, with a last tile that leads to all of them. */
export function Row({ title, href, list, error, retry, all, tile, size = 5, empty, id }) {
  const tileStyle = tile?.genre ? { '--hue': hue(tile.genre) } : undefined;
  return html`<section class="row" aria-labelledby=${id}>
    <div class="row-head">
      <h2 id=${id} dir="auto">${href ? html`<a href=${href}>${title}</a>` : title}</h2>
      ${href && html`<a class="row-all" href=${href} aria-label=${`${all}: ${title}`}>${all}</a>`}
    </div>
    ${error
      ? html`<div class="row-space"><${Failed} error=${error} retry=${retry} what="these movies" /></div>`
      : list && list.length === 0 && empty
        ? html`<div class="row-space">${empty}</div>`
        : html`<ul class="strip" aria-busy=${String(!list)} tabindex=${list ? undefined : -1}>
            ${list ? list.slice(0, size).map((movie) => html`<li key=${movie.id}><${Card} movie=${movie} /></li>`) : shapes(size)}
            ${tile &&
            html`<li class="tile-item">
              <a class=${tile.genre ? 'tile hued' : 'tile'} href=${href} style=${tileStyle}>
                <span class="tile-number">${tile.number}</span>
                <span>${tile.text}</span>
                <${Icon} name="arrow" />
              </a>
            </li>`}
          </ul>`}
  </section>`;
}

/** All movies of a list so far, and a button for more. */
export function Grid({ list, loadingCount = 12, total = null, empty }) {
  const { results, loading, error, more, hasMore, retry } = list;
  const grid = useRef(null);
  const showMore = () => {
    const shown = results.length;
    more();
    // Once the next movies are there, the keyboard continues at the first of them.
    const watch = new MutationObserver(() => {
      const next = grid.current?.children[shown]?.querySelector('.card-link');
      if (!next) return;
      watch.disconnect();
      next.focus({ preventScroll: true });
    });
    watch.observe(grid.current, { childList: true });
    setTimeout(() => watch.disconnect(), 30_000);
  };
  if (error && !results) return html`<${Failed} error=${error} retry=${retry} what="the movies" />`;
  if (results && results.length === 0 && !hasMore) return empty;
  return html`<div aria-busy=${String(loading)}>
    <ul class="grid" ref=${grid}>
      ${(results ?? []).map((movie, i) => html`<li key=${movie.id}><${Card} movie=${movie} eager=${i < 12} /></li>`)}
      ${!results && shapes(loadingCount)}
    </ul>
    <p class="sr-only" role="status">${results && !loading ? `${movies(results.length)} shown.` : ''}</p>
    ${error && html`<${Failed} error=${error} retry=${retry} what="more movies" />`}
    ${results &&
    !error &&
    html`<div class="more">
      ${hasMore || (loading && results.length > 0)
        ? html`<button class="button" aria-disabled=${String(loading)} onClick=${more ? showMore : undefined}>
            ${loading ? 'Loading…' : 'Show more'}
          </button>`
        : null}
      ${total !== null && html`<p class="muted">${counted(results.length)} of ${movies(total)}</p>`}
    </div>`}
  </div>`;
}
