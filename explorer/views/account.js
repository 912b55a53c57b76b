// Signing up, signing in, and a forgotten password.
import { useEffect, useState } from '../vendor/hooks.js';
import { call } from '../api.js';
import { useForm } from '../form.js';
import { fulfilIntent, intended } from '../hearts.js';
import { useTitle } from '../hooks.js';
import { html } from '../html.js';
import { go, place, placeBefore, rewrite } from '../router.js';
import * as session from '../session.js';
import { Field, FormProblem, Heading, PasswordField, Submit } from '../ui.js';

const OWN = ['/sign-in', '/sign-up', '/forgot-password', '/reset-password'];

/** Starts a session, and shows the page that the reader came from. */
async function begin(body) {
  session.start(body);
  const movie = await fulfilIntent();
  go(movie ? `/movies/${movie.id}` : placeBefore(OWN), { replace: true });
}

function Intent() {
  const movie = intended();
  if (!movie) return null;
  return html`<p class="notice">Then <bdi>${movie.title}</bdi> is among your favorites.</p>`;
}

export function SignIn() {
  useTitle('Sign in');
  const { values, busy, error, form, field, send } = useForm({ username: '', password: '' });
  const submit = async (event) => {
    event.preventDefault();
    const answer = await send(() =>
      call('POST', '/api/auth/login/', { body: { ...values, refresh: session.lastToken() }, anonymous: true }),
    );
    if (answer) await begin(answer.body);
  };
  return html`<div class="narrow">
    <${Heading}>Sign in<//>
    <${Intent} />
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${['username', 'password']} />
      <${Field} label="Username or email" ...${field('username', { autocomplete: 'username', autocapitalize: 'none', spellcheck: false, required: true })} />
      <${PasswordField} label="Password" ...${field('password', { autocomplete: 'current-password', required: true })} />
      <div class="actions"><${Submit} busy=${busy} doing="Signing in…" wait=${error?.wait ?? 0}>Sign in<//></div>
    </form>
    <p><a href="/forgot-password">Forgotten password?</a></p>
    <p>No account yet? <a href="/sign-up">Sign up</a></p>
  </div>`;
}

export function SignUp() {
  useTitle('Sign up');
  const { values, busy, error, form, field, send } = useForm({ username: '', email: '', password: '' });
  const submit = async (event) => {
    event.preventDefault();
    const answer = await send(() => call('POST', '/api/auth/register/', { body: values, anonymous: true }));
    if (answer) await begin(answer.body);
  };
  return html`<div class="narrow">
    <${Heading}>Sign up<//>
    <${Intent} />
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${['username', 'email', 'password']} />
      <${Field} label="Username" hint="3 to 150 letters, digits and @ . + - _" ...${field('username', { autocomplete: 'username', autocapitalize: 'none', spellcheck: false, required: true })} />
      <${Field} label="Email" ...${field('email', { type: 'email', autocomplete: 'email', required: true })} />
      <${PasswordField} label="Password" hint="At least 8 characters." ...${field('password', { autocomplete: 'new-password', required: true })} />
      <div class="actions"><${Submit} busy=${busy} doing="Signing up…" wait=${error?.wait ?? 0}>Create the account<//></div>
    </form>
    <p>You have an account? <a href="/sign-in">Sign in</a></p>
  </div>`;
}

export function Forgotten() {
  useTitle('Forgotten password');
  const [sent, done] = useState(false);
  const { values, busy, error, form, field, send } = useForm({ email: '' });
  const submit = async (event) => {
    event.preventDefault();
    if (await send(() => call('POST', '/api/auth/password-reset/', { body: values, anonymous: true }))) done(true);
  };
  const noMail = error?.status === 404;
  return html`<div class="narrow">
    <${Heading}>Forgotten password<//>
    ${sent
      ? html`<p class="notice" role="status">
          If an account has the email <bdi>${values.email}</bdi>, a mail with a link is on its way. The link works for a short time, and once.
        </p>`
      : html`<p>Enter the email of your account. You get a mail with a link to choose a new password.</p>
          <form ref=${form} onSubmit=${submit} novalidate>
            ${noMail
              ? html`<div class="notice bad" role="alert" tabindex="-1">
                  <p>This server sends no mail. Ask the person who operates it for a token: <code>marquee reset-password</code> prints one.</p>
                </div>`
              : html`<${FormProblem} error=${error} fields=${['email']} />`}
            <${Field} label="Email" ...${field('email', { type: 'email', autocomplete: 'email', required: true })} />
            <div class="actions"><${Submit} busy=${busy} doing="Asking…" wait=${error?.wait ?? 0}>Send me a link<//></div>
          </form>`}
    <p><a href="/reset-password">I have a token</a></p>
  </div>`;
}

export function Reset() {
  useTitle('New password');
  const { values, busy, error, form, field, send } = useForm(() => ({
    token: new URLSearchParams(place().hash.slice(1)).get('token') ?? '',
    password: '',
  }));
  const [done, finish] = useState(false);
  // The token leaves the address, so that it stays neither in the history nor on the screen.
  useEffect(() => {
    if (place().hash) rewrite('/reset-password');
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    if (!(await send(() => call('POST', '/api/auth/password-reset/confirm/', { body: values, anonymous: true })))) return;
    session.end();
    finish(true);
  };
  if (done) {
    return html`<div class="narrow"><${Heading}>Password changed<//>
      <p role="status">Every session has ended. Sign in with your new password.</p>
      <p><a class="button" href="/sign-in">Sign in</a></p></div>`;
  }
  return html`<div class="narrow">
    <${Heading}>New password<//>
    <form ref=${form} onSubmit=${submit} novalidate>
      <${FormProblem} error=${error} fields=${['token', 'password']} />
      <${Field} label="Token" hint="From the mail, or from the person who operates the server." ...${field('token', { autocomplete: 'off', spellcheck: false, autocapitalize: 'none', required: true })} />
      <${PasswordField} label="New password" hint="At least 8 characters." ...${field('password', { autocomplete: 'new-password', required: true })} />
      <div class="actions"><${Submit} busy=${busy} doing="Changing…" wait=${error?.wait ?? 0}>Change the password<//></div>
    </form>
    <p><a href="/forgot-password">Ask for another mail</a></p>
  </div>`;
}
