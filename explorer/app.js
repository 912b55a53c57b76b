// The frame around every page: the header, the routes, the footer, and where the focus goes.
import { render } from './vendor/preact.js';
import { useEffect, useLayoutEffect, useRef, useState } from './vendor/hooks.js';
import { html } from './html.js';
import { forgetPages, restoreScroll, scrollBeforeReload, usePlace } from './router.js';
import { SearchBox } from './searchbox.js';
import * as session from './session.js';
import { Toasts, toast } from './toasts.js';
import { Icon, Missing } from './ui.js';
import { Forgotten, Reset, SignIn, SignUp } from './views/account.js';
import { Browse, Genres, Home, MostLiked, Newest, Search } from './views/browse.js';
import { Edit, New } from './views/edit.js';
import { Favorites, MyMovies, Profile } from './views/me.js';
import { Movie } from './views/movie.js';

const PAGES = {
  '/': Home,
  '/movies': Browse,
  '/movies/new': New,
  '/search': Search,
  '/genres': Genres,
  '/most-liked': MostLiked,
  '/newest': Newest,
  '/sign-in': SignIn,
  '/sign-up': SignUp,
  '/forgot-password': Forgotten,
  '/reset-password': Reset,
  '/me': Profile,
  '/me/favorites': Favorites,
  '/me/movies': MyMovies,
};

function page(path) {
  if (Object.hasOwn(PAGES, path)) return html`<${PAGES[path]} />`;
  const [, id, edit] = /^\/movies\/([1-9]\d{0,15})(\/edit)?$/.exec(path) ?? [];
  if (id) return edit ? html`<${Edit} id=${id} />` : html`<${Movie} id=${id} />`;
  return html`<${Missing} />`;
}

const LINKS = [
  ['/movies', 'Movies'],
  ['/genres', 'Genres'],
  ['/most-liked', 'Most liked'],
];

/** Returns whether the window is narrow, as the styles have it. */
function useNarrow() {
  const [query] = useState(() => matchMedia('(max-width: 46rem)'));
  const [narrow, set] = useState(query.matches);
  useEffect(() => {
    const listener = () => set(query.matches);
    query.addEventListener('change', listener);
    return () => query.removeEventListener('change', listener);
  }, []);
  return narrow;
}

function Header({ path }) {
  const user = session.useUser();
  const narrow = useNarrow();
  const link = (to, text) => html`<a href=${to} aria-current=${path === to ? 'page' : undefined}>${text}</a>`;
  const catalog = html`<nav key="catalog" class="catalog" aria-label="Catalog">
    ${LINKS.map(([to, text]) => html`<span key=${to}>${link(to, text)}</span>`)}
  </nav>`;
  const search = html`<${SearchBox} key="search" />`;
  const account = html`<nav key="account" class="account" aria-label="Account">
    ${user
      ? html`${link('/me/favorites', html`<${Icon} name="heart" /> Favorites`)}
          <a href="/me" aria-current=${path === '/me' ? 'page' : undefined} class="who" aria-label=${`Profile of ${user.username}`}>
            <${Icon} name="person" /> <bdi>${user.username}</bdi>
          </a>`
      : html`${link('/sign-in', 'Sign in')} <a class="button small" href="/sign-up">Sign up</a>`}
  </nav>`;
  // The keyboard moves in the order that the eye sees.
  return html`<header class="header">
    <a key="brand" class="brand" href="/">Marquee</a>
    ${narrow ? [account, search, catalog] : [catalog, search, account]}
  </header>`;
}

/** Puts the focus on the heading of the page, or on its space while it has none. */
function focusPage() {
  const heading = document.querySelector('main h1') ?? document.getElementById('main');
  heading.focus({ preventScroll: true });
}

function skip(event) {
  event.preventDefault();
  focusPage();
}

function App() {
  const place = usePlace();
  const user = session.useUser();
  const last = useRef(null);
  useLayoutEffect(restoreScroll, [place.key, place.path]);
  useEffect(() => {
    const before = last.current;
    last.current = { path: place.path, user: user?.id };
    if (!before) {
      const y = scrollBeforeReload();
      if (y) setTimeout(() => scrollTo(0, y), 150);
      return;
    }
    // Screen readers continue at the new page, and the keyboard does too. Filters and the search change only what is listed:
    // whoever is using one stays there.
    const isSame = before.path === place.path && before.user === user?.id;
    const stays = isSame && document.activeElement?.closest('.filters, .search');
    if (!stays) focusPage();
  }, [place.key, place.path, user?.id]);
  // Another user sees other hearts, so nothing of a page is kept when the user changes.
  return html`<a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} path=${place.path} />
    <main id="main" tabindex="-1" key=${user?.id ?? 0}>${page(place.path)}</main>
    <footer class="footer">
      <span>Marquee</span>
      <a href="/api/docs/">API reference</a>
      ${user && html`<a href="/movies/new">Add a movie</a>`}
    </footer>
    <${Toasts} />`;
}

session.onChange(forgetPages);
session.onLost(() => toast('Your session has ended. Sign in again.'));

render(html`<${App} />`, document.getElementById('app'));
