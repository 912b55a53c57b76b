// The cover in the form of a movie: a file, dropped, pasted or chosen, or the address of an image.
import { useEffect, useId, useRef, useState } from '../vendor/hooks.js';
import { Cover } from '../covers.js';
import { html } from '../html.js';
import { Complaints, Field } from '../ui.js';

const LIMIT = 4_000_000;
const TYPES = 'image/jpeg,image/png,image/webp,image/gif,image/avif';

const size = (bytes) =>
  bytes < 950_000 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`;

export function CoverField({ current, cover, setCover, url, progress, movie }) {
  const id = useId();
  const [over, setOver] = useState(false);
  const [refused, refuse] = useState(null);
  const [settled, settle] = useState(null);
  const [preview, setPreview] = useState(null);
  const [broken, setBroken] = useState(null);
  const file = useRef(null);

  const choose = (chosen) => {
    if (!chosen) return;
    // The API recognizes an image by its content. Only the size is known to be wrong without asking.
    if (chosen.size > LIMIT) {
      refuse([`The image has ${size(chosen.size)}. At most ${size(LIMIT)} can be sent.`]);
      return;
    }
    refuse(null);
    settle(url.complaints);
    setCover({ file: chosen, remove: false });
  };

  useEffect(() => {
    if (!cover.file) {
      setPreview(null);
      return undefined;
    }
    const address = URL.createObjectURL(cover.file);
    setPreview(address);
    return () => URL.revokeObjectURL(address);
  }, [cover.file]);

  useEffect(() => {
    const paste = (event) => {
      const image = [...(event.clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
      if (!image) return;
      event.preventDefault();
      choose(image);
    };
    addEventListener('paste', paste);
    return () => removeEventListener('paste', paste);
  });

  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    choose(event.dataTransfer.files[0]);
  };
  const leave = () => {
    refuse(null);
    settle(url.complaints);
    setCover({ file: null, remove: !cover.file });
    // The button that was pressed goes away.
    file.current.focus();
  };
  // What the API said about another image doesn't hold for this one.
  const complaints = refused ?? (url.complaints === settled ? null : url.complaints);
  const shown = preview && broken !== preview;
  return html`<fieldset class="cover-field">
    <legend>Cover <span class="muted">optional</span></legend>
    <div class=${`drop${over ? ' over' : ''}`}
      onDragOver=${(event) => (event.preventDefault(), setOver(true))}
      onDragLeave=${(event) => event.currentTarget.contains(event.relatedTarget) || setOver(false)}
      onDrop=${drop}>
      <div class="drop-cover">
        ${shown
          ? html`<span class="cover"><img class="picture" src=${preview} alt="The chosen cover" width="342" height="513" onError=${() => setBroken(preview)} /></span>`
          : current
            ? html`<span class="cover"><img class="picture" src=${current} alt="The current cover" width="342" height="513" /></span>`
            : html`<${Cover} movie=${{ ...movie, cover_thumbnail: null }} />`}
      </div>
      <div class="drop-text">
        <p>Drop an image here, paste one, or</p>
        <label class="button plain" for=${id}>Choose a file</label>
        <input ref=${file} id=${id} class="sr-only" type="file" accept=${TYPES} aria-invalid=${complaints ? 'true' : undefined}
          aria-describedby=${`${id}-hint ${id}-error`}
          onChange=${(event) => (choose(event.target.files[0]), (event.target.value = ''))} />
        <p class="hint" id=${`${id}-hint`}>JPEG, PNG, WebP, GIF or AVIF, up to 4 MB. Data in it about place and camera is removed.</p>
        ${cover.file && html`<p class="drop-file"><bdi>${cover.file.name}</bdi> <span class="muted">${size(cover.file.size)}</span>
          ${preview && !shown && html`<br />This browser can’t show it.`}</p>`}
        ${progress !== undefined && html`<progress max="1" value=${progress} aria-label="Sending the cover"></progress>`}
        ${(cover.file || current) &&
        html`<button type="button" class="quiet" onClick=${leave}>
          ${cover.file ? 'Don’t use this image' : 'Remove the cover'}
        </button>`}
        <${Complaints} id=${`${id}-error`} texts=${complaints} />
      </div>
    </div>
    ${!cover.file && !current &&
    html`<${Field} label="Or the address of an image" ...${url} complaints=${null} type="url" dir="ltr" placeholder="https://"
      hint="Marquee links to it and doesn’t load it." autocomplete="off" />`}
  </fieldset>`;
}
