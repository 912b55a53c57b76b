// Requests to the API, and what can go wrong with them.
import * as session from './session.js';

const ANSWERS_WITHIN = 35_000;

/** A request that failed. `status` is 0 when no answer came. */
class Failure extends Error {
  constructor(status, problem = {}, wait = 0) {
    super(problem.detail ?? 'The server can’t be reached.');
    this.status = status;
    this.problem = problem;
    /** The complaints about fields, by field. */
    this.fields = problem.errors ?? {};
    /** For how many seconds not to ask again. */
    this.wait = wait;
  }
}

async function failure(response) {
  let problem = {};
  try {
    problem = await response.json();
  } catch {
    problem = { detail: `The server answered ${response.status}.` };
  }
  return new Failure(response.status, problem, waitOf(response.status, response.headers.get('retry-after')));
}

/** Returns for how many seconds not to ask again. */
function waitOf(status, retryAfter) {
  return Number(retryAfter) || (status === 429 ? 5 : 0);
}

const bearer = (access) => (access ? { authorization: `Bearer ${access}` } : {});

async function token(refused) {
  try {
    return await session.access(refused);
  } catch (error) {
    if (error.response) throw await failure(error.response);
    throw new Failure(0);
  }
}

/**
 * Sends a request and returns `{body, etag, status}`. A body that isn't FormData is sent as JSON. An expired access token is
 * renewed first; a refused one once, after which the request is sent again.
 */
export async function call(method, path, { body, headers = {}, signal, anonymous = false } = {}) {
  const sent = anonymous ? null : await token();
  let response = await send(method, path, body, headers, signal, sent);
  if (response.status === 401 && sent) {
    const next = await token(sent);
    if (next || method === 'GET') response = await send(method, path, body, headers, signal, next);
  }
  if (!response.ok) throw await failure(response);
  const text = response.status === 204 ? '' : await read(response);
  return { body: text ? JSON.parse(text) : null, etag: response.headers.get('etag'), status: response.status };
}

async function read(response) {
  try {
    return await response.text();
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Failure(0);
  }
}

async function send(method, path, body, headers, signal, access) {
  const all = { accept: 'application/json', ...headers, ...bearer(access) };
  if (body !== undefined) all['content-type'] = 'application/json';
  const late = AbortSignal.timeout(ANSWERS_WITHIN);
  try {
    return await fetch(path, {
      method,
      headers: all,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Failure(0);
  }
}

export const get = (path, options) => call('GET', path, options);

/** Returns the path and query of a link of the API. Its host may be another name of this server. */
export function local(url) {
  if (!url) return null;
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

/**
 * Sends a form with a file, such as a movie with its cover, and returns the answer's body. The API takes all of it or nothing.
 * `onProgress` is called with the part that has been sent, from 0 to 1.
 */
export async function sendForm(method, path, { form, headers = {}, onProgress }) {
  let access = await token();
  for (let attempt = 0; ; attempt++) {
    const response = await upload(method, path, form, { ...headers, ...bearer(access) }, onProgress);
    if (response.status === 401 && attempt === 0) {
      access = await token(access);
      if (access) continue;
    }
    if (response.status >= 200 && response.status < 300) return response.body;
    throw new Failure(response.status, response.body ?? {}, waitOf(response.status, response.retryAfter));
  }
}

function upload(method, path, form, headers, onProgress) {
  // `fetch` reports no progress of what it sends.
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open(method, path);
    request.setRequestHeader('accept', 'application/json');
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onload = () => {
      let body = null;
      try {
        body = JSON.parse(request.responseText);
      } catch {
        body = { detail: `The server answered ${request.status}.` };
      }
      done({ status: request.status, body, retryAfter: request.getResponseHeader('retry-after') });
    };
    request.onerror = () => failed(new Failure(0));
    request.send(form);
  });
}

/** Returns a value for `Idempotency-Key`. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
