// The first view, the lists of movies, search results and genres.
import { useEffect, useState } from '../vendor/hooks.js';
import { Card, CardShape, Grid, Row } from '../cards.js';
import { hue } from '../covers.js';
import { browse, counted, movies } from '../format.js';
import { useList, useLoaded, useTitle } from '../hooks.js';
import { html } from '../html.js';
import { go, usePlace } from '../router.js';
import { useUser } from '../session.js';
import { Empty, Failed, Field, Heading, Icon } from '../ui.js';

const ROWS = 7;

export function Home() {
  useTitle('');
  const user = useUser();
  const newest = useLoaded('/api/movies/newest/?limit=5');
  const liked = useLoaded('/api/movies/most-liked/?limit=5');
  const genres = useList(`/api/movies/categories/?limit=${ROWS}`);
  // Without a favorite the row above is lower than its shape. What is below it comes after it, so that nothing moves.
  const isNext = liked.body || liked.error;
  const rows = isNext ? genres.results : null;
  const shapes = Array.from({ length: isNext ? 3 : 0 }, () => null);
  return html`<div class="home">
    <${Heading} class="sr-only">Marquee, a movie catalog<//>
    <${Row}
      id="newest"
      title="Newest"
      href="/newest"
      all="All by date"
      list=${newest.body?.results}
      error=${newest.error}
      retry=${newest.retry}
      tile=${{ number: 'All', text: 'movies, latest first' }}
      empty=${html`<${Empty} title="The catalog is empty">
        <p>${user ? html`<a class="button" href="/movies/new">Add the first movie</a>` : html`<a class="button" href="/sign-up">Create an account</a> and add the first movie.`}</p>
      <//>`}
    />
    <${Row}
      id="most-liked"
      title="Most liked"
      href="/most-liked"
      all="Top 100"
      list=${liked.body?.results}
      error=${liked.error}
      retry=${liked.retry}
      tile=${liked.body?.results.length === 5 ? { number: '100', text: 'most liked movies' } : null}
      empty=${html`<div class="hint-row">
        <${Icon} name="heart" />
        <p><strong>No movie has a favorite yet.</strong> Press the heart of one you like, and it is here at once.</p>
      </div>`}
    />
    ${(rows ?? shapes).map(
      (row, i) => html`<${Row}
        key=${row?.genre ?? i}
        id=${`genre-${i}`}
        title=${row ? row.genre : ' '}
        href=${row ? browse({ genre: row.genre }) : undefined}
        all=${row ? movies(row.count) : ''}
        list=${row?.movies}
        tile=${row && row.count > 5 ? { number: counted(row.count), text: `in ${row.genre}`, genre: row.genre } : null}
      />`,
    )}
    ${genres.error && html`<${Failed} error=${genres.error} retry=${genres.retry} what="the genres" />`}
    ${rows &&
    html`<div class="more">
      ${genres.hasMore &&
      html`<button class="button" aria-disabled=${String(genres.loading)} onClick=${genres.more ?? undefined}>
        ${genres.loading ? 'Loading…' : 'More genres'}
      </button>`}
      <a class="button plain" href="/genres">All genres</a>
    </div>`}
  </div>`;
}

export function Newest() {
  useEffect(() => go(browse({ ordering: '-release_date' }), { replace: true }), []);
  return null;
}

export function MostLiked() {
  useTitle('Most liked');
  const { body, error, retry } = useLoaded('/api/movies/most-liked/?limit=100');
  if (error) return html`<${Heading}>Most liked<//><${Failed} error=${error} retry=${retry} />`;
  const list = body?.results;
  return html`<${Heading}>Most liked<//>
    ${list && list.length === 0
      ? html`<${Empty} title="No movie has a favorite yet">
          <p>Press the heart of a movie you like, and it is here at once.</p>
          <p><a class="button" href="/movies">Browse movies</a></p>
        <//>`
      : html`<ol class="grid ranked">
          ${(list ?? Array.from({ length: 12 }, () => null)).map(
            (movie, i) => html`<li key=${movie?.id ?? `shape-${i}`}>${movie ? html`<${Card} movie=${movie} />` : html`<${CardShape} />`}</li>`,
          )}
        </ol>`}`;
}

const ORDERS = [
  ['-release_date', 'Latest release'],
  ['release_date', 'Earliest release'],
  ['-id', 'Last added'],
  ['id', 'First added'],
];

/** Returns the range of release years that a text means: `1999` or `1990-1999`, and null for another text. */
export function years(text) {
  const match = /^(\d{4})(?:\s*[-–—]\s*(\d{4}))?$/.exec(text.trim());
  if (!match) return null;
  const [, from, to = from] = match;
  return from <= to ? { from, to } : { from: to, to: from };
}

/** Returns the API's query for the filters in a page's address. */
function filtersOf(query) {
  const asked = new URLSearchParams();
  for (const genre of query.getAll('genre')) asked.append('genre', genre);
  if (query.get('director')) asked.set('director', query.get('director'));
  const range = years(query.get('year') ?? '');
  if (range && range.from === range.to) asked.set('year', range.from);
  else if (range) {
    asked.set('released_from', `${range.from}-01-01`);
    asked.set('released_to', `${range.to}-12-31`);
  }
  const order = ORDERS.some(([name]) => name === query.get('ordering')) ? query.get('ordering') : ORDERS[0][0];
  asked.set('ordering', order);
  asked.set('limit', '24');
  return { asked, order, range };
}

export function Browse() {
  const { query } = usePlace();
  const { asked, order } = filtersOf(query);
  const genres = query.getAll('genre');
  const director = query.get('director') ?? '';
  const year = query.get('year') ?? '';
  const list = useList(`/api/movies/?${asked}`);
  const total = list.first?.count ?? null;
  const title = heading({ genres, director, year });
  useTitle(title);
  const change = (next) => go(browse({ genre: genres, director, year, ordering: query.get('ordering'), ...next }));
  const filtered = genres.length > 0 || director || year;
  return html`<div class="page-head">
      <${Heading} dir="auto">${title}<//>
      <p class="muted count">${total === null ? ' ' : movies(total)}</p>
    </div>
    <${Filters} genres=${genres} director=${director} year=${year} order=${order} change=${change} />
    <${Grid}
      list=${list}
      loadingCount=${24}
      total=${total}
      empty=${html`<${Empty} title="No movie fits">
        <p>No movie in the catalog fits all of these filters.</p>
        ${filtered && html`<p><a class="button" href="/movies">Show all movies</a></p>`}
      <//>`}
    />`;
}

function heading({ genres, director, year }) {
  const parts = [genres.join(' & '), director && `by ${director}`, year && `from ${year}`].filter(Boolean);
  if (parts.length === 0) return 'All movies';
  return genres.length > 0 ? parts.join(' ') : `Movies ${parts.join(' ')}`;
}

function Filters({ genres, director, year, order, change }) {
  const all = useLoaded('/api/movies/categories/?limit=100');
  const [typed, type] = useState({ director, year });
  // A chip or the browser's back changes the filters as well.
  useEffect(() => type({ director, year }), [director, year]);
  const wrongYear = typed.year.trim() !== '' && !years(typed.year);
  const taken = new Set(genres.map((genre) => genre.toLowerCase()));
  const others = (all.body?.results ?? []).filter(({ genre }) => !taken.has(genre.toLowerCase()));
  const apply = (event) => {
    event?.preventDefault();
    if (wrongYear) return;
    const next = { director: typed.director.trim(), year: typed.year.trim().replace(/\s*[–—-]\s*/, '-') };
    if (next.director !== director || next.year !== year) change(next);
  };
  return html`<form class="filters" onSubmit=${apply} aria-label="Filters">
      <${Field} label="Genre" children=${(shared) => html`<select ...${shared} dir=${undefined}
          value="" onChange=${(event) => event.target.value && change({ genre: [...genres, event.target.value] })}>
          <option value="">${genres.length ? 'Add a genre' : 'Any'}</option>
          ${others.map(({ genre, count }) => html`<option key=${genre} value=${genre}>${genre} (${counted(count)})</option>`)}
        </select>`} />
      <${Field}
        label="Director"
        value=${typed.director}
        placeholder="Whole name"
        onInput=${(event) => type({ ...typed, director: event.target.value })}
        onChange=${apply}
        autocomplete="off"
      />
      <${Field}
        label="Year"
        value=${typed.year}
        placeholder="1990-1999"
        maxlength="11"
        onInput=${(event) => type({ ...typed, year: event.target.value })}
        onChange=${apply}
        complaints=${wrongYear && typed.year.trim().length >= 4 && !/^\d{4}\s*[-–—]\s*\d{0,3}$/.test(typed.year.trim()) ? ['A year, or two with a dash.'] : null}
        autocomplete="off"
      />
      <${Field} label="Order" children=${(shared) => html`<select ...${shared} dir=${undefined} value=${order}
          onChange=${(event) => change({ ordering: event.target.value })}>
          ${ORDERS.map(([name, text]) => html`<option key=${name} value=${name}>${text}</option>`)}
        </select>`} />
      <button class="sr-only" type="submit">Apply</button>
    </form>
    <ul class="chips" aria-label="Chosen filters">
      ${genres.map((genre) => html`<${Chip} key=${genre} text=${genre} remove=${() => change({ genre: genres.filter((other) => other !== genre) })} />`)}
      ${director && html`<${Chip} text=${director} remove=${() => change({ director: '' })} />`}
      ${year && html`<${Chip} text=${year} remove=${() => change({ year: '' })} />`}
    </ul>`;
}

function Chip({ text, remove }) {
  return html`<li>
    <button class="chip" onClick=${remove} aria-label=${`Remove the filter ${text}`}>
      <bdi>${text}</bdi> <${Icon} name="close" />
    </button>
  </li>`;
}

export function Search() {
  const { query } = usePlace();
  const q = (query.get('q') ?? '').trim();
  const list = useList(q ? `/api/movies/search/?${new URLSearchParams({ q, limit: 24 })}` : null);
  const corrected = list.first?.corrected_query;
  useTitle(q ? `“${q}”` : 'Search');
  if (!q) {
    return html`<${Heading}>Search<//>
      <${Empty} title="What are you looking for?">
        <p>Type a title, a director or a genre in the field above, or press <kbd>/</kbd> anywhere.</p>
      <//>`;
  }
  return html`<div class="page-head">
      <${Heading} dir="auto">
        ${corrected ? html`Showing results for <bdi>“${corrected}”</bdi>` : html`Results for <bdi>“${q}”</bdi>`}
      <//>
      <p class="muted count">${corrected ? html`Nothing matches <bdi>“${q}”</bdi>.` : ' '}</p>
    </div>
    <${Grid}
      list=${list}
      empty=${html`<${Empty} title="No movie matches">
        <p>Search finds words of titles, directors and genres by how they begin. A word of one or two letters must be the whole word.</p>
        <p><a class="button" href="/movies">Browse all movies</a></p>
      <//>`}
    />`;
}

export function Genres() {
  useTitle('Genres');
  const list = useList('/api/movies/categories/?limit=100');
  if (list.error && !list.results) return html`<${Heading}>Genres<//><${Failed} error=${list.error} retry=${list.retry} />`;
  const shapes = Array.from({ length: 20 }, (_, i) => html`<li key=${i}><span class="genre shape"></span></li>`);
  return html`<${Heading}>Genres<//>
    <ul class="genres" aria-busy=${String(!list.results)}>
      ${list.results?.map(
        ({ genre, count }) => html`<li key=${genre}>
          <a class="genre" href=${browse({ genre })} style=${{ '--hue': hue(genre) }}>
            <span class="genre-name" dir="auto">${genre}</span>
            <span class="genre-count">${movies(count)}</span>
          </a>
        </li>`,
      ) ?? shapes}
    </ul>
    ${list.results?.length === 0 && html`<${Empty} title="No genres yet"><p>They appear with the first movie.</p><//>`}
    ${list.hasMore && html`<div class="more"><button class="button" onClick=${list.more ?? undefined}>Show more</button></div>`}`;
}
