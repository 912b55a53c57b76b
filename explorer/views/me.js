// The signed-in user's own pages: favorites, movies, profile.
import { useRef, useState } from '../vendor/hooks.js';
import { call } from '../api.js';
import { Grid } from '../cards.js';
import { useForm } from '../form.js';
import { ago, device, instant } from '../format.js';
import { useList, useTitle } from '../hooks.js';
import { html } from '../html.js';
import { go } from '../router.js';
import * as session from '../session.js';
import { toast } from '../toasts.js';
import { Dialog, Empty, Failed, Field, FormProblem, Heading, PasswordField, Submit } from '../ui.js';

function SignedOut({ title }) {
  return html`<${Heading}>${title}<//>
    <${Empty} title="You are signed out"><p>Sign in to see this page.</p><p><a class="button" href="/sign-in">Sign in</a></p><//>`;
}

export function Favorites() {
  useTitle('My favorites');
  const user = session.useUser();
  const list = useList(user ? '/api/users/me/favorites/?limit=24' : null);
  if (!user) return html`<${SignedOut} title="My favorites" />`;
  return html`<${Heading}>My favorites<//>
    <${Grid} list=${list} empty=${html`<${Empty} title="No favorites yet">
      <p>Press the heart of a movie, and it is here.</p><p><a class="button" href="/">Find one</a></p><//>`} />`;
}

export function MyMovies() {
  useTitle('My movies');
  const user = session.useUser();
  const list = useList(user ? '/api/users/me/movies/?limit=24' : null);
  if (!user) return html`<${SignedOut} title="My movies" />`;
  return html`<div class="page-head"><${Heading}>My movies<//><a class="button" href="/movies/new">Add a movie</a></div>
    <${Grid} list=${list} empty=${html`<${Empty} title="You have added no movie yet">
      <p><a class="button" href="/movies/new">Add a movie</a></p><//>`} />`;
}

async function signOut() {
  const refresh = session.refreshToken();
  session.end();
  go('/');
  // Without an answer the session ends by itself, 30 days after it began.
  if (refresh) await call('POST', '/api/auth/logout/', { body: { refresh }, anonymous: true }).catch(() => {});
}

export function Profile() {
  useTitle('Profile');
  const user = session.useUser();
  const [leaving, ask] = useState(false);
  if (!user) return html`<${SignedOut} title="Profile" />`;
  return html`<div class="narrow">
    <div class="page-head"><${Heading}><bdi>${user.username}</bdi><//>
      <button class="button plain" onClick=${signOut}>Sign out</button></div>
    <p class="links"><a href="/me/favorites">My favorites</a> <a href="/me/movies">My movies</a></p>
    <${Names} user=${user} />
    <${Password} />
    <${Sessions} />
    <section aria-labelledby="leave">
      <h2 id="leave">Delete the account</h2>
      <p>Your favorites and sessions go. The movies that you added stay.</p>
      <button class="button danger" onClick=${() => ask(true)}>Delete my account…</button>
    </section>
    ${leaving && html`<${Leave} close=${() => ask(false)} />`}
  </div>`;
}

function Names({ user }) {
  const start = { username: user.username, email: user.email ?? '', current_password: '' };
  const { values, set, busy, error, form, field, send } = useForm(start);
  const submit = async (event) => {
    event.preventDefault();
    const answer = await send((body) => call('PATCH', '/api/users/me/', { body }));
    if (!answer) return;
    session.know(answer.body);
    set({ ...values, current_password: '' });
    toast('Your profile is saved.');
  };
  return html`<section aria-labelledby="names">
    <h2 id="names">Name and email</h2>
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${['username', 'email', 'current_password']} />
      <${Field} label="Username" ...${field('username', { autocomplete: 'username', required: true })} />
      <${Field} label="Email" ...${field('email', { type: 'email', autocomplete: 'email', required: true })} />
      <${PasswordField} label="Current password" ...${field('current_password', { autocomplete: 'current-password', required: true })} />
      <${Submit} busy=${busy} doing="Saving…" wait=${error?.wait ?? 0}>Save<//>
    </form>
  </section>`;
}

function Password() {
  const { values, set, busy, error, form, field, send } = useForm({ current_password: '', new_password: '' });
  const submit = async (event) => {
    event.preventDefault();
    if (!(await send((body) => call('PUT', '/api/users/me/password/', { body })))) return;
    set({ current_password: '', new_password: '' });
    toast('Your password is changed. Other sessions have ended.');
  };
  return html`<section aria-labelledby="password">
    <h2 id="password">Password</h2>
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${['current_password', 'new_password']} />
      <${PasswordField} label="Current password" ...${field('current_password', { autocomplete: 'current-password', required: true })} />
      <${PasswordField} label="New password" hint="At least 8 characters." ...${field('new_password', { autocomplete: 'new-password', required: true })} />
      <${Submit} busy=${busy} doing="Changing…" wait=${error?.wait ?? 0}>Change the password<//>
    </form>
  </section>`;
}

function Sessions() {
  const list = useList('/api/users/me/sessions/?limit=100');
  const [ended, end] = useState(new Set());
  const heading = useRef(null);
  const finish = async (path, ids) => {
    try {
      await call('DELETE', path);
      end(new Set([...ended, ...ids]));
      // The button that was pressed is gone.
      heading.current.focus();
      toast(ids.length === 1 ? 'The session has ended.' : 'The other sessions have ended.');
    } catch (error) {
      toast(error.message);
    }
  };
  const sessions = (list.results ?? []).filter(({ id }) => !ended.has(id));
  const others = sessions.filter(({ current }) => !current);
  return html`<section aria-labelledby="sessions">
    <h2 id="sessions" ref=${heading} tabindex="-1">Sessions</h2>
    ${list.error && html`<${Failed} error=${list.error} retry=${list.retry} what="your sessions" />`}
    <ul class="sessions" aria-busy=${String(list.loading)}>
      ${sessions.map(
        (one) => html`<li key=${one.id}>
          <span>
            <strong>${device(one.user_agent)}</strong>${one.current && html` <span class="muted">this one</span>`}<br />
            <span class="muted" title=${instant(one.last_used_at)}>used ${ago(one.last_used_at)}</span>
          </span>
          ${!one.current &&
          html`<button class="button plain small" aria-label=${`End the session of ${device(one.user_agent)}`}
            onClick=${() => finish(`/api/users/me/sessions/${one.id}/`, [one.id])}>End</button>`}
        </li>`,
      )}
    </ul>
    ${others.length > 0 &&
    html`<button class="button plain" onClick=${() => finish('/api/users/me/sessions/', others.map(({ id }) => id))}>End all others</button>`}
  </section>`;
}

function Leave({ close }) {
  const { values, busy, error, form, field, send } = useForm({ current_password: '' });
  const submit = async (event) => {
    event.preventDefault();
    if (!(await send((body) => call('DELETE', '/api/users/me/', { body })))) return;
    session.end();
    toast('Your account is deleted.');
    go('/', { replace: true });
  };
  return html`<${Dialog} title="Delete your account?" onClose=${close}>
    <p>This can’t be undone. Your name and email are free for others at once.</p>
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${['current_password']} />
      <${PasswordField} label="Current password" ...${field('current_password', { autocomplete: 'current-password', required: true })} />
      <div class="actions">
        <${Submit} class="button danger" busy=${busy} doing="Deleting…" wait=${error?.wait ?? 0}>Delete my account<//>
        <button type="button" class="button plain" onClick=${close}>Cancel</button>
      </div>
    </form>
  <//>`;
}
