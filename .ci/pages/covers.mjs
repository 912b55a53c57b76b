// Covers: chosen, dropped and pasted, with a preview, progress and complaints, and how they look wherever movies are shown.
import { check, look, open } from './browser.mjs';
import { add, api, login, signedIn, type } from './people.mjs';

const SUBMIT = 'main form .actions button[type=submit]';
const LOOKS = [[1280, 'dark'], [390, 'light'], [320, 'light']];

/** Draws an image like a poster and returns it as a JPEG. `noise` makes it large: nothing compresses it. */
export async function draw(page, seed, { width = 800, height = 1200, noise = false } = {}) {
  const base64 = await page.evaluate(
    async ([seed, width, height, noise]) => {
      const canvas = Object.assign(document.createElement('canvas'), { width, height });
      const pen = canvas.getContext('2d');
      const hue = (seed * 67) % 360;
      const sky = pen.createLinearGradient(0, 0, 0, height);
      for (const [at, turn, color] of [[0, 0, '55% 16%'], [0.6, 40, '65% 50%'], [1, 70, '75% 72%']]) {
        sky.addColorStop(at, `hsl(${(hue + turn) % 360} ${color})`);
      }
      pen.fillStyle = sky;
      pen.fillRect(0, 0, width, height);
      pen.fillStyle = `hsl(${(hue + 60) % 360} 90% 82%)`;
      pen.beginPath();
      pen.arc(width * (0.3 + 0.1 * (seed % 5)), height * 0.42, width * 0.2, 0, 7);
      pen.fill();
      for (let hill = 0; hill < 4; hill++) {
        pen.fillStyle = `hsl(${hue} 45% ${34 - hill * 8}%)`;
        pen.beginPath();
        pen.moveTo(0, height);
        for (let x = 0; x <= width; x += 8) {
          const wave = Math.sin(x / (70 + 30 * hill) + seed * (hill + 1)) * 0.03 + Math.sin(x / 31 + seed) * 0.008;
          pen.lineTo(x, height * (0.55 + 0.1 * hill + wave));
        }
        pen.lineTo(width, height);
        pen.fill();
      }
      if (noise) {
        const image = pen.getImageData(0, 0, width, height);
        image.data.forEach((value, i) => (image.data[i] = i % 4 === 3 ? 255 : value ^ (Math.random() * 64)));
        pen.putImageData(image, 0, 0);
      }
      const address = canvas.toDataURL('image/jpeg', 0.9);
      return address.slice(address.indexOf(',') + 1);
    },
    [seed, width, height, noise],
  );
  return Buffer.from(base64, 'base64');
}

/** Drops or pastes a file, as the browser reports it. */
async function hand(page, kind, buffer, name) {
  await page.evaluate(
    ([kind, base64, name]) => {
      const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], name, { type: 'image/jpeg' }));
      const rest = { bubbles: true, cancelable: true };
      if (kind === 'paste') document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, ...rest }));
      else for (const one of ['dragover', 'drop']) document.querySelector('.drop').dispatchEvent(new DragEvent(one, { dataTransfer: data, ...rest }));
    },
    [kind, buffer.toString('base64'), name],
  );
}

const choose = (page, name, buffer) =>
  page.setInputFiles('main form [type=file]', { name, mimeType: 'image/jpeg', buffer });

/** Waits for the complaint beside the cover, which is announced with the field and has the focus's field marked. */
async function complained(page, text) {
  await page.waitForSelector(`.cover-field .complaint >> text=${text}`);
  const marked = await page.getAttribute('[type=file]', 'aria-invalid');
  check(marked === 'true', `the field of the cover is marked as wrong: ${text}`);
}

/** Adds a movie with a cover: too large, then broken, then right, with its progress; then replaces and removes it. */
async function form(browser, base, width, scheme) {
  const name = `${width}-${scheme}`;
  const expected = ['status of 415', 'status of 413'];
  const { context, page, access } = await signedIn(browser, base, `painter-${name}`, { width, scheme, expected });
  await page.goto(`${base}/movies/new`);
  await type(page, 'With a Cover');
  await choose(page, 'large.jpg', Buffer.alloc(4_000_001));
  await complained(page, 'At most 4.0 MB');
  await choose(page, 'broken.jpg', Buffer.from('This is no image.'));
  await page.waitForSelector('.drop-file >> text=This browser can’t show it.');
  check((await page.locator('.complaint').count()) === 0, 'another file has no complaint of the one before');
  await page.click(SUBMIT);
  await complained(page, 'The file must be a JPEG');
  const focused = await page.evaluate(() => document.activeElement.type);
  check(focused === 'file', `after a broken image the focus is at ${focused}`);
  await page.locator('.drop').scrollIntoViewIfNeeded();
  await look(page, `${name}-cover-broken`);
  const none = await api(base, 'GET', '/api/users/me/movies/', { access });
  check(none.body.results.length === 0, 'a movie with a broken image is not added');
  const poster = await draw(page, 3, { noise: true });
  await hand(page, 'drop', poster, 'a poster with a rather long name, as cameras and scanners like to give them.jpg');
  await page.waitForSelector('.drop .picture');
  await look(page, `${name}-cover-preview`);
  const protocol = await context.newCDPSession(page);
  const slow = { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: poster.length / 2 };
  await protocol.send('Network.emulateNetworkConditions', slow);
  await page.click(SUBMIT);
  await page.waitForFunction(() => {
    const value = document.querySelector('.drop progress')?.value;
    return value > 0 && value < 1;
  });
  await look(page, `${name}-cover-progress`);
  await page.waitForSelector('article.movie .picture');
  await protocol.send('Network.emulateNetworkConditions', { ...slow, uploadThroughput: -1 });
  await look(page, `${name}-cover-shown`);
  await page.click('main >> text=Edit');
  await page.waitForSelector('.drop img[alt="The current cover"]');
  await hand(page, 'paste', await draw(page, 4), 'pasted.jpg');
  await page.waitForSelector('.drop img[alt="The chosen cover"]');
  await page.click('text=Don’t use this image');
  await page.waitForSelector('.drop img[alt="The current cover"]');
  check((await page.evaluate(() => document.activeElement.type)) === 'file', 'the focus stays at the cover');
  await page.click('text=Remove the cover');
  await page.waitForSelector('.drop .cover.set');
  await page.click(SUBMIT);
  await page.waitForSelector('article.movie .cover.set');
  await context.close();
}

const TITLES = [
  'Short',
  'A Rather Long Title That Goes on for Quite Some Time and Then a Bit More, as Titles of Documentaries Do',
  'مغامرات علي بابا والأربعين لصاً في بغداد',
  'Donaudampfschifffahrtsgesellschaftskapitänskajütentürschlüssel',
];

/** Movies with and without a cover, with short, long and right-to-left titles, on every kind of page. */
async function everywhere(browser, base) {
  const { context, page, access } = await signedIn(browser, base, 'collector');
  const movies = [];
  for (const [i, title] of [...TITLES, ...TITLES].entries()) {
    const genre = i % 2 ? 'Drama, Mystery' : 'Sci-Fi';
    const movie = await add(base, access, title, { genre, release_date: `204${i}-05-0${i + 1}`, description: `Word ${i}.` });
    const size = i === 0 ? { width: 1600, height: 700 } : {};
    const sent = { access, type: 'image/jpeg', body: i < TITLES.length && (await draw(page, i + 1, size)) };
    if (sent.body) check((await api(base, 'PUT', `/api/movies/${movie.id}/cover/`, sent)).status === 200, `cover of ${title}`);
    await api(base, 'PUT', `/api/movies/${movie.id}/favorite/`, { access });
    movies.push(movie.id);
  }
  await context.close();
  const pages = [
    ['home', '/', '.card .heart'],
    ['liked', '/most-liked', '.card .heart'],
    ['mine', '/me/movies', '.card .heart'],
    ['search', '/search?q=short', '.card .heart'],
    ...[0, 1, 2, 3, 5, 6].map((i) => [`movie-${i}`, `/movies/${movies[i]}`, 'article.movie h1']),
  ];
  for (const [width, scheme] of LOOKS) {
    const one = await signedIn(browser, base, 'collector', { width, scheme });
    for (const [name, path, shown] of pages) {
      await one.page.goto(base + path);
      await one.page.waitForSelector(shown);
      await one.page.waitForFunction(() => [...document.images].every(({ complete, loading }) => complete || loading === 'lazy'));
      await look(one.page, `${width}-${scheme}-covers-${name}`);
    }
    await one.context.close();
  }
}

/** A cover that can't be loaded gives way to the typographic one. */
async function lost(browser, base) {
  const { access } = await login(base, 'collector');
  const { body } = await api(base, 'GET', '/api/users/me/movies/?limit=100', { access });
  const { id } = body.results.find(({ cover_thumbnail: path }) => path);
  const { context, page } = await open(browser, base, { expected: ['status of 404'] });
  await page.route('**/api/covers/**', (route) => route.fulfill({ status: 404, body: '' }));
  await page.goto(`${base}/movies/${id}`);
  await page.waitForSelector('article.movie .cover.set');
  await look(page, 'cover-lost');
  await context.close();
}

export async function covers(browser, base) {
  for (const [width, scheme] of [[1280, 'light'], [390, 'dark'], [320, 'light']]) await form(browser, base, width, scheme);
  await everywhere(browser, base);
  await lost(browser, base);
}
