// Takes the README's pictures: `.ci/pages/run pictures`, then copy home.png, search.png, movie.png and reference.png from
// target/ci/pages to docs/images.
import { draw } from './covers.mjs';
import { open } from './browser.mjs';
import { add, api, login } from './people.mjs';

const SIZE = { width: 1200, height: 680 };

// Invented movies: an image of a real one would belong to somebody.
const MOVIES = [
  ['Hills at Dusk', 'Ada Lindqvist', 'Drama', '2015-05-01', 3],
  ['The Long Way Down', 'Tomás Iriarte', 'Adventure', '2015-03-06', 16],
  ['Green Moon', 'Mai Okabe', 'Sci-Fi', '2015-02-13', 5],
];
const STORY =
  'Two sisters walk home over the hills after the last bus has left, and tell each other what they have kept for twenty years.';

export async function pictures(browser, base) {
  const { context, page } = await open(browser, base);
  await page.setViewportSize(SIZE);
  await page.goto(base);
  const { access } = await login(base, 'director');
  const ids = [];
  for (const [title, director, genre, date, seed] of MOVIES) {
    const { id } = await add(base, access, title, { director, genre, release_date: date, description: STORY });
    const body = await draw(page, seed);
    await api(base, 'PUT', `/api/movies/${id}/cover/`, { access, type: 'image/jpeg', body });
    ids.push(id);
  }
  const found = await api(base, 'GET', '/api/movies/search/?q=kurosawa&limit=4');
  const liked = [ids[0], ...found.body.results.map(({ id }) => id)];
  for (let user = 0; user < 3; user++) {
    const one = await login(base, `viewer-${user}`);
    for (const id of liked.slice(user)) await api(base, 'PUT', `/api/movies/${id}/favorite/`, { access: one.access });
  }
  const take = async (name) => {
    await page.waitForFunction(() => [...document.images].every(({ complete, loading }) => complete || loading === 'lazy'));
    await page.evaluate(() => document.fonts.ready);
    await page.screenshot({ path: `${name}.png` });
  };
  await page.goto(base);
  await page.waitForSelector('#genre-0');
  await take('home');
  await page.fill('input[type=search]', 'godfahter');
  await page.waitForSelector('.found-movie');
  await take('search');
  await page.emulateMedia({ colorScheme: 'dark', reducedMotion: 'reduce' });
  await page.goto(`${base}/movies/${ids[0]}`);
  await page.waitForSelector('article.movie .picture');
  await take('movie');
  await page.emulateMedia({ colorScheme: 'light', reducedMotion: 'reduce' });
  await page.goto(`${base}/api/docs/`);
  await page.waitForSelector('.opblock');
  await take('reference');
  await context.close();
}
