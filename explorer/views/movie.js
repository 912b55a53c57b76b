// The page of one movie.
import { useState } from '../vendor/hooks.js';
import { call } from '../api.js';
import { Heart } from '../cards.js';
import { Cover, uploaded } from '../covers.js';
import { useForm } from '../form.js';
import { browse, longDate, names } from '../format.js';
import { useLoaded, useTitle } from '../hooks.js';
import { html } from '../html.js';
import { forgetPages, go } from '../router.js';
import { useUser } from '../session.js';
import { toast } from '../toasts.js';
import { Dialog, Failed, FormProblem, Heading, Icon, Missing } from '../ui.js';

export function Movie({ id }) {
  const { body: movie, etag, error, retry } = useLoaded(`/api/movies/${id}/`);
  useTitle(movie?.title ?? (error?.status === 404 ? 'No such movie' : ''));
  if (error?.status === 404) {
    return html`<${Missing} title="No such movie"><p>It may have been deleted, or never existed.</p><//>`;
  }
  if (error) return html`<${Heading}>Movie<//><${Failed} error=${error} retry=${retry} what="the movie" />`;
  if (!movie) return html`<${Shape} />`;
  return html`<${Details} movie=${movie} etag=${etag} reload=${retry} />`;
}

function Shape() {
  return html`<div class="movie shape" aria-busy="true">
    <div class="movie-cover"><span class="cover"></span></div>
    <div class="movie-text"><p class="sr-only" role="status">Loading…</p><i class="line long"></i><i class="line"></i><i class="block"></i></div>
  </div>`;
}

const list = (texts, to) =>
  texts.map((text, i) => html`${i > 0 && ', '}<a href=${browse(to(text))} dir="auto">${text}</a>`);

function Details({ movie, etag, reload }) {
  const user = useUser();
  const mine = user && (user.id === movie.user || user.role === 'admin');
  const [deleting, ask] = useState(false);
  return html`<article class="movie">
    <div class="movie-cover"><${Whole} movie=${movie} /></div>
    <div class="movie-text">
      <${Heading} dir="auto">${movie.title}<//>
      <p class="movie-facts">
        <time datetime=${movie.release_date}>${longDate(movie.release_date)}</time>
        <span>Directed by ${list(names(movie.director), (director) => ({ director }))}</span>
        <span>${list(names(movie.genre), (genre) => ({ genre }))}</span>
      </p>
      <p><${Heart} movie=${movie} large=${true} /></p>
      <p class="description" dir="auto">${movie.description}</p>
      ${(movie.imdb_id || (movie.cover_image && !uploaded(movie))) &&
      html`<p class="links">
        ${movie.imdb_id && html`<${Outside} href=${`https://www.imdb.com/title/${movie.imdb_id}/`}>IMDb<//>`}
        ${movie.cover_image && !uploaded(movie) && html`<${Outside} href=${movie.cover_image}>Cover image<//>`}
      </p>`}
      ${mine &&
      html`<p class="actions">
        <a class="button" href=${`/movies/${movie.id}/edit`}>Edit</a>
        <button class="button plain" onClick=${() => ask(true)}>Delete</button>
      </p>`}
    </div>
    ${deleting && html`<${Delete} movie=${movie} etag=${etag} reload=${reload} close=${() => ask(false)} />`}
  </article>`;
}

/** The cover, which leads to the whole image if it is one: the page shows a small form of it, cut to two by three. */
function Whole({ movie }) {
  const path = uploaded(movie, true);
  const [lost, lose] = useState(null);
  if (!path || lost === path) return html`<${Cover} movie=${movie} large=${true} />`;
  const says = `Cover of ${movie.title}, the whole image (opens in a new tab)`;
  return html`<a class="movie-whole" href=${path} target="_blank" rel="noopener">
    <${Cover} movie=${movie} large=${true} eager=${true} alt=${says} onLost=${() => lose(path)} />
  </a>`;
}

function Outside({ href, children }) {
  return html`<a href=${href} target="_blank" rel="noopener noreferrer">
    ${children} <${Icon} name="out" /><span class="sr-only"> (opens in a new tab)</span>
  </a>`;
}

function Delete({ movie, etag, reload, close }) {
  const { busy, error, send } = useForm({});
  const remove = async () => {
    const headers = etag ? { 'if-match': etag } : {};
    if (!(await send(() => call('DELETE', `/api/movies/${movie.id}/`, { headers })))) return;
    forgetPages();
    toast(`${movie.title} is deleted.`);
    go('/', { replace: true });
  };
  const stale = error?.status === 412;
  return html`<${Dialog} title="Delete this movie?" onClose=${close}>
    <p><bdi>${movie.title}</bdi> disappears for everybody, with its favorites. This can’t be undone.</p>
    ${stale
      ? html`<p class="notice bad" role="alert">Somebody has edited this movie since you opened it. Look at it again first.</p>`
      : html`<${FormProblem} error=${error} />`}
    <div class="actions">
      ${stale
        ? html`<button class="button" onClick=${() => (close(), reload())}>Show the movie as it is now</button>`
        : html`<button class="button danger" aria-disabled=${String(busy)} onClick=${busy ? undefined : remove}>
            ${busy ? 'Deleting…' : 'Delete the movie'}
          </button>`}
      <button class="button plain" autofocus onClick=${close}>Cancel</button>
    </div>
  <//>`;
}
