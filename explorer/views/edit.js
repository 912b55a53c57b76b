// Adding and editing a movie.
import { useEffect, useMemo, useRef, useState } from '../vendor/hooks.js';
import { call, get, newKey, sendForm } from '../api.js';
import { uploaded } from '../covers.js';
import { draft, useDraft, useForm } from '../form.js';
import { useLoaded, useTitle } from '../hooks.js';
import { html } from '../html.js';
import { forgetPages, go } from '../router.js';
import { useUser } from '../session.js';
import { toast } from '../toasts.js';
import { CoverField } from './coverfield.js';
import { Empty, Failed, Field, FormProblem, Heading, Missing, Submit } from '../ui.js';

const FIELDS = ['title', 'director', 'genre', 'release_date', 'description', 'imdb_id', 'cover_image'];
const OPTIONAL = new Set(['imdb_id', 'cover_image']);

const empty = () => Object.fromEntries(FIELDS.map((name) => [name, '']));
const fromMovie = (movie) => Object.fromEntries(FIELDS.map((name) => [name, movie[name] ?? '']));

/** What becomes of the cover: `file` is an image to send, and `remove` says that the one that is there goes. */
const SAME = { file: null, remove: false };

function Fields({ field, values, movie, cover, setCover, progress }) {
  const current = movie && !cover.remove ? uploaded(movie) : null;
  return html`
    <${Field} label="Title" ...${field('title', { required: true, maxlength: 200 })} />
    <${Field} label="Director" hint="Several names with commas." ...${field('director', { required: true, maxlength: 200 })} />
    <${Field} label="Genre" hint="One or several with commas, such as Drama, Mystery." ...${field('genre', { required: true, maxlength: 200 })} />
    <${Field} label="Release date" ...${field('release_date', { required: true, type: 'date', min: '1870-01-01' })} />
    <${Field} label="Description" multiline=${true} ...${field('description', { required: true, maxlength: 5000 })} />
    <${Field} label="IMDb id" optional=${true} hint="Such as tt0133093." ...${field('imdb_id', { maxlength: 12 })} />
    <${CoverField}
      current=${current}
      cover=${cover}
      setCover=${setCover}
      url=${field('cover_image', { optional: true, value: movie && uploaded(movie) ? '' : values.cover_image })}
      progress=${progress}
      movie=${movie ?? { ...values, id: 0 }}
    />
  `;
}

function SignInFirst({ title }) {
  return html`<${Heading}>${title}<//>
    <${Empty} title="Sign in first"><p>Movies are added and edited by people with an account.</p>
      <p><a class="button" href="/sign-in">Sign in</a></p><//>`;
}

/** Sends a movie, as JSON or, with a new cover, as a form: the API saves all of it or nothing. */
async function send(method, path, { body, cover, headers, onProgress }) {
  if (!cover.file) return (await call(method, path, { body, headers })).body;
  const form = new FormData();
  // In a form, an empty text is what null is in JSON.
  for (const [name, value] of Object.entries(body)) form.set(name, value ?? '');
  form.set('cover_image', cover.file);
  try {
    return await sendForm(method, path, { form, headers, onProgress });
  } finally {
    onProgress(undefined);
  }
}

export function New() {
  useTitle('Add a movie');
  const user = useUser();
  return user ? html`<${NewForm} />` : html`<${SignInFirst} title="Add a movie" />`;
}

function NewForm() {
  const before = draft('new');
  const { values, busy, error, form, field, send: attempt } = useForm(() => before?.values ?? empty());
  const [cover, setCover] = useState(before?.cover ?? SAME);
  const [progress, setProgress] = useState();
  useDraft('new', { values, cover });
  // The same form that is sent again adds no second movie. Other texts are another request, with another key.
  const key = useMemo(newKey, [values, cover]);
  const submit = async (event) => {
    event.preventDefault();
    const isGiven = (name) => !OPTIONAL.has(name) || values[name].trim();
    const given = FIELDS.filter((name) => isGiven(name) && !(name === 'cover_image' && cover.file));
    const body = Object.fromEntries(given.map((name) => [name, values[name]]));
    const headers = { 'idempotency-key': key };
    const movie = await attempt(() => send('POST', '/api/movies/', { body, cover, headers, onProgress: setProgress }));
    if (!movie) return;
    forgetPages();
    toast(`${movie.title} is in the catalog.`);
    go(`/movies/${movie.id}`, { replace: true });
  };
  return html`<div class="narrow">
    <${Heading}>Add a movie<//>
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${FIELDS} />
      <${Fields} field=${field} values=${values} cover=${cover} setCover=${setCover} progress=${progress} />
      <div class="actions"><${Submit} busy=${busy} doing="Adding…" wait=${error?.wait ?? 0}>Add the movie<//></div>
    </form>
  </div>`;
}

export function Edit({ id }) {
  const { body: movie, etag, error, retry } = useLoaded(`/api/movies/${id}/`);
  const user = useUser();
  useTitle(movie ? `Edit ${movie.title}` : 'Edit');
  if (error?.status === 404) return html`<${Missing} title="No such movie" />`;
  if (error) return html`<${Heading}>Edit<//><${Failed} error=${error} retry=${retry} what="the movie" />`;
  if (!user) return html`<${SignInFirst} title="Edit" />`;
  if (!movie) return html`<${Heading}>Edit<//><p class="muted" role="status">Loading…</p>`;
  if (user.id !== movie.user && user.role !== 'admin') {
    return html`<${Heading} dir="auto">${movie.title}<//>
      <${Empty} title="Not yours to edit"><p>Only the person who added a movie, and admins, can edit it.</p>
        <p><a class="button" href=${`/movies/${id}`}>Back to the movie</a></p><//>`;
  }
  return html`<${EditForm} key=${id} movie=${movie} etag=${etag} />`;
}

function EditForm({ movie, etag }) {
  const name = `edit ${movie.id}`;
  const before = draft(name);
  const [base, rebase] = useState(before?.base ?? { movie, etag });
  const { values, set, busy, error, form, field, send: attempt } = useForm(() => before?.values ?? fromMovie(movie));
  const [cover, setCover] = useState(before?.cover ?? SAME);
  const [progress, setProgress] = useState();
  const [theirs, found] = useState(null);
  useDraft(name, { base, values, cover });
  const path = `/api/movies/${movie.id}/`;
  /** Sends what differs from the movie `from`. Returns whether it was saved; if somebody else was faster, their movie is shown. */
  const patch = async (from) => {
    const old = fromMovie(from.movie);
    const wanted = cover.remove ? { ...values, cover_image: '' } : values;
    const changed = FIELDS.filter((name) => wanted[name] !== old[name] && !(name === 'cover_image' && cover.file));
    if (changed.length === 0 && !cover.file) return true;
    const body = Object.fromEntries(
      changed.map((name) => [name, OPTIONAL.has(name) && !wanted[name].trim() ? null : wanted[name]]),
    );
    try {
      const headers = from.etag ? { 'if-match': from.etag } : {};
      await send('PATCH', path, { body, cover, headers, onProgress: setProgress });
      return true;
    } catch (problem) {
      if (problem.status !== 412) throw problem;
      const now = await get(path);
      found({ movie: now.body, etag: now.etag });
      return false;
    }
  };
  const save = async (from) => {
    if (!(await attempt(() => patch(from)))) return;
    forgetPages();
    toast('Saved.');
    go(`/movies/${movie.id}`, { replace: true });
  };
  const submit = (event) => {
    event.preventDefault();
    save(base);
  };
  return html`<div class="narrow">
    <${Heading} dir="auto">Edit ${movie.title}<//>
    <form ref=${form} onSubmit=${submit} novalidate>
      ${theirs &&
      html`<${Conflict}
        theirs=${theirs.movie}
        values=${values}
        take=${() => (set(fromMovie(theirs.movie)), rebase(theirs), found(null))}
        keep=${() => (rebase(theirs), found(null), save(theirs))}
      />`}
      <${FormProblem} error=${error} fields=${FIELDS} />
      <${Fields} field=${field} values=${values} movie=${base.movie} cover=${cover} setCover=${setCover} progress=${progress} />
      <div class="actions">
        <${Submit} busy=${busy} doing="Saving…" wait=${error?.wait ?? 0}>Save<//>
        <a class="button plain" href=${`/movies/${movie.id}`}>Cancel</a>
      </div>
    </form>
  </div>`;
}

function Conflict({ theirs, values, take, keep }) {
  const box = useRef(null);
  useEffect(() => box.current.focus(), []);
  const differ = FIELDS.filter((name) => (theirs[name] ?? '') !== values[name]);
  return html`<div class="notice bad" role="alert" tabindex="-1" ref=${box}>
    <p><strong>Somebody else has saved this movie since you opened it.</strong> Nothing of yours is lost.</p>
    ${differ.map((name) => html`<p key=${name}>${label(name)} is now: <bdi>${shownValue(theirs, name)}</bdi></p>`)}
    <div class="actions">
      <button type="button" class="button" onClick=${keep}>Save mine over it</button>
      <button type="button" class="button plain" onClick=${take}>Take theirs</button>
    </div>
  </div>`;
}

const label = (name) => (name === 'cover_image' ? 'The cover' : name === 'imdb_id' ? 'IMDb id' : sentenceCase(name.replaceAll('_', ' ')));
const sentenceCase = (text) => text[0].toUpperCase() + text.slice(1);

function shownValue(movie, name) {
  if (name === 'cover_image' && uploaded(movie)) return 'another image';
  return movie[name] ?? 'empty';
}
