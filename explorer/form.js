// What forms share: what was typed, whether a request is on its way, and what the API says about it.
import { useEffect, useRef, useState } from './vendor/hooks.js';
import * as session from './session.js';
import { useFocusOnComplaint } from './ui.js';

const drafts = new Map();

/** Returns what `useDraft` has kept of a form for the user who is signed in, or null. */
export function draft(name) {
  const found = drafts.get(name);
  return found && found.user === session.user()?.id ? found.kept : null;
}

/** Keeps what was typed when the session ends before it was sent, for the same user's next session in this tab. */
export function useDraft(name, kept) {
  const latest = useRef(kept);
  latest.current = kept;
  useEffect(() => {
    const user = session.user()?.id;
    drafts.delete(name);
    return () => {
      if (!session.user()) drafts.set(name, { user, kept: latest.current });
    };
  }, []);
}

/**
 * Returns the state of a form. `field` makes the properties of a field, `send` runs a request with the values and returns its
 * answer, or null if it failed. `error` is then what went wrong.
 */
export function useForm(start) {
  const [values, set] = useState(start);
  const [busy, work] = useState(false);
  const [error, fail] = useState(null);
  const form = useFocusOnComplaint(error);
  const field = (name, rest) => ({
    name,
    value: values[name],
    complaints: error?.fields?.[name],
    onInput: (event) => set({ ...values, [name]: event.target.value }),
    ...rest,
  });
  const send = async (request) => {
    work(true);
    fail(null);
    try {
      return await request(values);
    } catch (problem) {
      fail(problem);
      return null;
    } finally {
      work(false);
    }
  };
  return { values, set, busy, error, form, field, send };
}
