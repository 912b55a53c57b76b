// The frame around every page: the header, the routes, the footer, and where the focus goes.
import { render } from './vendor/preact.js';
import { useEffect, useLayoutEffect, useRef } from './vendor/hooks.js';
import { html } from './html.js';
import { forgetPages, restoreScroll, scrollBeforeReload, usePlace } from './router.js';
import { SearchBox } from './searchbox.js';
import * as session from './session.js';
import { Toasts } from './toasts.js';
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

function Header({ path }) {
  const user = session.useUser();
  const link = (to, text) => html`<a href=${to} aria-current=${path === to ? 'page' : undefined}>${text}</a>`;
  return html`<header class="header">
    <a class="brand" href="/">Marquee</a>
    <nav aria-label="Catalog">${LINKS.map(([to, text]) => html`<span key=${to}>${link(to, text)}</span>`)}</nav>
    <${SearchBox} />
    <nav class="account" aria-label="Account">
      ${user
        ? html`${link('/me/favorites', html`<${Icon} name="heart" /> Favorites`)}
            <a href="/me" aria-current=${path === '/me' ? 'page' : undefined} class="who">
              <${Icon} name="person" /> <bdi>${user.username}</bdi>
            </a>`
        : html`${link('/sign-in', 'Sign in')} <a class="button small" href="/sign-up">Sign up</a>`}
    </nav>
  </header>`;
}

function App() {
  const place = usePlace();
  const user = session.useUser();
  const first = useRef(true);
  useLayoutEffect(restoreScroll, [place.key, place.path]);
  useEffect(() => {
    if (first.current) {
      first.current = false;
      const y = scrollBeforeReload();
      if (y) setTimeout(() => scrollTo(0, y), 150);
      return;
    }
    // Screen readers continue at the new page, and the keyboard does too.
    const heading = document.querySelector('main h1') ?? document.querySelector('main');
    heading.focus({ preventScroll: true });
  }, [place.key, place.path]);
  // Another user sees other hearts, so nothing of a page is kept when the user changes.
  return html`<a class="skip" href="#main">Skip to the content</a>
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


render(html`<${App} />`, document.getElementById('app'));
