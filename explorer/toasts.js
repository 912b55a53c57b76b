// Short messages at the edge of the page.
import { useEffect, useState } from './vendor/hooks.js';
import { html } from './html.js';

const STAYS = 6000;

let shown = [];
let publish = () => {};
let last = 0;

/** Shows a message for some seconds. `again` offers to repeat what failed, and keeps the message until it is closed. */
export function toast(text, { again = null } = {}) {
  const id = ++last;
  shown = [...shown.slice(-2), { id, text, again }];
  publish(shown);
  if (!again) setTimeout(() => close(id), STAYS);
}

function close(id) {
  shown = shown.filter((message) => message.id !== id);
  publish(shown);
}

export function Toasts() {
  const [messages, set] = useState(shown);
  useEffect(() => {
    publish = set;
    set(shown);
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${messages.map(
      ({ id, text, again }) => html`<div class="toast" key=${id}>
        <span dir="auto">${text}</span>
        ${again &&
        html`<button class="quiet" onClick=${() => (close(id), again())}>Try again</button>`}
        <button class="quiet" onClick=${() => close(id)} aria-label="Close this message">✕</button>
      </div>`,
    )}
  </div>`;
}
