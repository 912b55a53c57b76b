// Components are written with `html`, which escapes every text: nothing here builds markup from strings.
import { h } from './vendor/preact.js';
import htm from './vendor/htm.js';

export const html = htm.bind(h);
