// The search in the header: it shows what it finds while one types, and the keyboard walks through it.
import { useEffect, useRef, useState } from './vendor/hooks.js';
import { get } from './api.js';
import { Cover } from './covers.js';
import { year } from './format.js';
import { remember } from './hearts.js';
import { useSettled } from './hooks.js';
import { html } from './html.js';
import { go, usePlace } from './router.js';
import { Icon } from './ui.js';

const SETTLES = 140;
const SHOWN = 6;

function failed({ status, wait }) {
  if (status === 0 && navigator.onLine === false) return 'You are offline.';
  if (status === 429) return `A little too fast. Go on in ${wait} seconds.`;
  return 'The search can’t be reached at the moment.';
}

export function SearchBox() {
  const place = usePlace();
  const inPlace = place.path === '/search' ? (place.query.get('q') ?? '') : '';
  const [text, setText] = useState(inPlace);
  const [open, setOpen] = useState(false);
  const [chosen, choose] = useState(-1);
  const [found, setFound] = useState({ q: '', results: [], corrected: null });
  const input = useRef(null);
  const box = useRef(null);
  const settled = useSettled(text.trim(), SETTLES);

  // The address decides what the field holds when another page is shown.
  useEffect(() => {
    setText(inPlace);
    setOpen(false);
  }, [place.key, place.search, place.path]);

  useEffect(() => {
    if (!open || !settled) return undefined;
    const stop = new AbortController();
    const query = new URLSearchParams({ q: settled, limit: SHOWN });
    get(`/api/movies/search/?${query}`, { signal: stop.signal }).then(
      ({ body }) => {
        if (stop.signal.aborted) return;
        remember(body);
        choose(-1);
        setFound({ q: settled, results: body.results, corrected: body.corrected_query });
      },
      (error) => stop.signal.aborted || setFound({ q: settled, results: [], error }),
    );
    return () => stop.abort();
  }, [settled, open]);

  useEffect(() => {
    const slash = (event) => {
      const editing = event.target.closest?.('input, textarea, select, [contenteditable], dialog');
      if (event.key !== '/' || editing || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      input.current.focus();
      input.current.select();
    };
    const outside = (event) => box.current?.contains(event.target) || setOpen(false);
    addEventListener('keydown', slash);
    addEventListener('pointerdown', outside);
    return () => {
      removeEventListener('keydown', slash);
      removeEventListener('pointerdown', outside);
    };
  }, []);

  const q = text.trim();
  const answered = found.q === q && q !== '';
  const results = q ? found.results : [];
  const shown = open && q !== '' && found.q !== '';
  const note = found.error
    ? failed(found.error)
    : found.corrected
      ? html`Showing results for <bdi>“${found.corrected}”</bdi>`
      : answered && results.length === 0 && html`No movie matches <bdi>“${found.q}”</bdi>.`;
  const searchAll = (value) => {
    setOpen(false);
    if (value) go(`/search?${new URLSearchParams({ q: value })}`);
  };
  const openMovie = (movie) => {
    setOpen(false);
    go(`/movies/${movie.id}`);
  };
  const keys = (event) => {
    if (event.isComposing) return;
    const last = results.length;
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setOpen(true);
      if (!shown) return;
      const step = event.key === 'ArrowDown' ? 1 : -1;
      // One place beyond the movies is “all results”, and one before them is the field.
      choose((now) => ((now + 1 + step + last + 2) % (last + 2)) - 1);
    } else if (event.key === 'Escape') {
      if (shown) event.preventDefault();
      setOpen(false);
      choose(-1);
    }
  };
  const submit = (event) => {
    event.preventDefault();
    if (shown && chosen >= 0 && chosen < results.length) openMovie(results[chosen]);
    else searchAll(q);
  };

  return html`<form class="search" role="search" action="/search" ref=${box} onSubmit=${submit}
    onFocusOut=${(event) => event.relatedTarget && !box.current.contains(event.relatedTarget) && setOpen(false)}>
    <${Icon} name="search" />
    <input
      ref=${input}
      type="search"
      name="q"
      dir="auto"
      placeholder="Title, director or genre"
      aria-label="Search movies"
      role="combobox"
      aria-expanded=${String(shown)}
      aria-controls="search-results"
      aria-autocomplete="list"
      aria-activedescendant=${shown && chosen >= 0 ? `found-${chosen}` : undefined}
      autocomplete="off"
      autocapitalize="none"
      spellcheck=${false}
      enterkeyhint="search"
      maxlength="200"
      value=${text}
      onInput=${(event) => {
        setText(event.target.value);
        choose(-1);
        setOpen(true);
      }}
      onKeyDown=${keys}
    />
    <kbd aria-hidden="true">/</kbd>
    <div class="sr-only" role="status">
      ${shown && answered && html`${note} ${results.length > 0 && `${results.length} suggestions.`}`}
    </div>
    <div class="found" hidden=${!shown}>
      ${shown && note && html`<p class="found-note" aria-hidden="true">${note}</p>`}
      <div id="search-results" role="listbox" aria-label="Movies">
        ${shown &&
        results.map(
          (movie, i) => html`<div
            key=${movie.id}
            id=${`found-${i}`}
            role="option"
            aria-selected=${String(chosen === i)}
            class="found-movie"
            onMouseDown=${(event) => event.preventDefault()}
            onClick=${() => openMovie(movie)}
          >
            <${Cover} movie=${movie} />
            <span>
              <span class="found-title" dir="auto">${movie.title}</span>
              <span class="muted" dir="auto">${year(movie.release_date)} · ${movie.director}</span>
            </span>
          </div>`,
        )}
        ${shown &&
        html`<div
          id=${`found-${results.length}`}
          role="option"
          aria-selected=${String(chosen === results.length)}
          class="found-all"
          onMouseDown=${(event) => event.preventDefault()}
          onClick=${() => searchAll(q)}
        >
          All results for <bdi>“${q}”</bdi>
        </div>`}
      </div>
    </div>
  </form>`;
}
