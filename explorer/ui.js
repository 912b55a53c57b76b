// Parts that pages are made of: fields, states of loading and failure, dialogs.
import { useEffect, useId, useRef, useState } from './vendor/hooks.js';
import { clock } from './format.js';
import { useCountdown } from './hooks.js';
import { html } from './html.js';
import { Icon } from './icons.js';

/** The heading of a page. It gets the focus when the page is shown, so that screen readers announce the page. */
export function Heading({ children, class: name = '', ...rest }) {
  const heading = useRef(null);
  // A page that had to be loaded first has left the focus on the space around it.
  useEffect(() => {
    if (document.activeElement?.id === 'main') heading.current.focus({ preventScroll: true });
  }, []);
  return html`<h1 ref=${heading} tabindex="-1" class=${`page-title ${name}`} ...${rest}>${children}</h1>`;
}

/** A field with its label, hint and complaints. `complaints` are the API's own messages. */
export function Field({ label, hint, complaints, multiline = false, optional = false, children, ...input }) {
  const id = useId();
  const notes = [hint && `${id}-hint`, complaints?.length && `${id}-error`].filter(Boolean).join(' ');
  const shared = {
    id,
    'aria-describedby': notes || undefined,
    'aria-invalid': complaints?.length ? 'true' : undefined,
    dir: input.type && input.type !== 'text' ? undefined : 'auto',
    ...input,
  };
  return html`<div class="field">
    <label for=${id}>${label}${optional && html` <span class="muted">optional</span>`}</label>
    ${children ? children(shared) : multiline ? html`<textarea rows="5" ...${shared} />` : html`<input ...${shared} />`}
    ${hint && html`<p class="hint" id=${`${id}-hint`}>${hint}</p>`}
    <${Complaints} id=${`${id}-error`} texts=${complaints} />
  </div>`;
}

/** The API's complaints about one field. */
export function Complaints({ id, texts }) {
  if (!texts?.length) return null;
  return html`<p class="complaint" id=${id}>${[texts].flat().join(' ')}</p>`;
}

/** A field for a password that can be shown. */
export function PasswordField(props) {
  const [shown, set] = useState(false);
  return html`<${Field} ...${props} type="password">
    ${(shared) => html`<div class="with-button">
      <input ...${shared} type=${shown ? 'text' : 'password'} dir="ltr" autocapitalize="none" spellcheck=${false} />
      <button type="button" class="quiet" onClick=${() => set(!shown)}>
        ${shown ? 'Hide' : 'Show'}<span class="sr-only"> the password</span>
      </button>
    </div>`}
  <//>`;
}

/** Puts the focus on the first field with a complaint after a form was refused. */
export function useFocusOnComplaint(error) {
  const form = useRef(null);
  useEffect(() => {
    if (!error) return;
    const field = form.current?.querySelector('[aria-invalid="true"]') ?? form.current?.querySelector('[role="alert"]');
    field?.focus();
  }, [error]);
  return form;
}

/** What is wrong with a form as a whole. Complaints about fields that the form shows stand beside them. */
export function FormProblem({ error, fields = [] }) {
  const left = useCountdown(error?.wait ?? 0);
  if (!error) return null;
  const others = Object.entries(error.fields ?? {}).filter(([name]) => !fields.includes(name));
  const beside = Object.keys(error.fields ?? {}).length > others.length;
  const text = (seconds) => (beside && others.length === 0 ? 'Something needs your attention below.' : sentence(error, seconds));
  return html`<div class="notice bad" role="alert" tabindex="-1">
    <${Counted} left=${left} wait=${error.wait} text=${text} />
    ${others.map(([name, texts]) => html`<p key=${name}>${[texts].flat().join(' ')}</p>`)}
  </div>`;
}

/** A text with a time that counts down. A screen reader is told the whole wait once, and its end. */
function Counted({ left, wait, text }) {
  if (!wait) return html`<p>${text(0)}</p>`;
  return html`<p>
    <span aria-hidden="true">${text(left)}</span>
    <span class="sr-only">${text(left > 0 ? wait : 0)}</span>
  </p>`;
}

/** Returns what went wrong, for a reader. */
function sentence(error, left = 0) {
  if (error.status === 0) {
    return navigator.onLine === false
      ? 'You are offline. What you entered is still here: try again once you are connected.'
      : 'The server can’t be reached. What you entered is still here: try again in a moment.';
  }
  if (error.status === 429) {
    return left > 0 ? `Too many attempts. The next one is possible in ${clock(left)}.` : 'You can try again now.';
  }
  if (error.status === 503) {
    return left > 0 ? `The server is busy. Try again in ${clock(left)}.` : 'The server was busy. Try again now.';
  }
  if (error.status === 401 && !error.problem?.detail) return 'Your session has ended. Sign in again.';
  return error.message;
}

/** Says why a page or a part of it could not be loaded, and loads it again. */
export function Failed({ error, retry, what = 'this page' }) {
  const left = useCountdown(error.wait);
  const [title, text] = explain(error, what);
  const box = useRef(null);
  useEffect(() => {
    if (error.status !== 0) return undefined;
    addEventListener('online', retry);
    return () => removeEventListener('online', retry);
  }, [error]);
  // The button goes with the failure. The keyboard continues at what has been loaded.
  useEffect(() => {
    const element = box.current;
    return () => {
      if (!element.contains(document.activeElement)) return;
      const main = document.getElementById('main');
      main.focus({ preventScroll: true });
      setTimeout(() => document.activeElement === main && main.querySelector('h1')?.focus({ preventScroll: true }));
    };
  }, []);
  return html`<div class="state" ref=${box}>
    <div role="alert">
      <h2>${title}</h2>
      <p>${text}${error.wait > 0 && html`<span class="sr-only"> ${left > 0 ? `Wait ${clock(error.wait)}.` : 'You can try again now.'}</span>`}</p>
    </div>
    <button class="button" aria-disabled=${String(left > 0)} onClick=${left > 0 ? undefined : retry}>
      ${left > 0 ? html`Try again<span aria-hidden="true"> in ${clock(left)}</span>` : 'Try again'}
    </button>
  </div>`;
}

function explain(error, what) {
  if (error.status === 0 && navigator.onLine === false) {
    return ['You are offline', `Marquee loads ${what} as soon as the connection is back.`];
  }
  if (error.status === 0) return ['No answer', 'The server can’t be reached. It may be restarting.'];
  if (error.status === 429) return ['A little too fast', 'The server asks for a short pause.'];
  if (error.status === 503) return ['The server is busy', 'It could not answer in time. Nothing is lost.'];
  return ['That didn’t work', error.message];
}

/** Says that there is nothing, and what to do about it. */
export function Empty({ title, children }) {
  return html`<div class="state"><h2>${title}</h2>${children}</div>`;
}

/** A page that can't be shown because nothing is at its address. */
export function Missing({ title = 'No such page', children }) {
  return html`<div class="state tall">
    <p class="state-number" aria-hidden="true">404</p>
    <${Heading}>${title}<//>
    ${children ?? html`<p>Nothing is at this address.</p>`}
    <p><a class="button" href="/">Back to the movies</a></p>
  </div>`;
}

/** A dialog that keeps the focus until it is closed. */
export function Dialog({ title, onClose, children }) {
  const dialog = useRef(null);
  const id = useId();
  useEffect(() => {
    const before = document.activeElement;
    dialog.current.showModal();
    return () => before?.focus?.();
  }, []);
  const outside = (event) => event.target === dialog.current && onClose();
  return html`<dialog
    ref=${dialog}
    aria-labelledby=${id}
    onCancel=${(event) => (event.preventDefault(), onClose())}
    onClick=${outside}
  >
    <div class="dialog-body">
      <h2 id=${id}>${title}</h2>
      ${children}
    </div>
  </dialog>`;
}

/** A button that says what it is doing while it does it. */
export function Submit({ busy, doing, children, wait = 0, ...rest }) {
  const left = useCountdown(wait);
  return html`<button type="submit" class="button" ...${rest} aria-disabled=${String(busy || left > 0)}
    onClick=${(event) => (busy || left > 0) && event.preventDefault()}>
    ${busy ? doing : left > 0 ? `Wait ${clock(left)}` : children}
  </button>`;
}

export { Icon };
