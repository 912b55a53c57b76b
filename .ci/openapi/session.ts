// A session through the client that openapi-fetch makes of the generated types: `node session.js URL`.

import assert from "node:assert/strict";
import createClient from "openapi-fetch";
import type { components, paths } from "./schema.js";

type Movie = components["schemas"]["Movie"];
type NewMovie = components["schemas"]["NewMovie"];
type Problem = components["schemas"]["Problem"];

/** The body of a success. A problem document ends the session with its text. */
function body<T>({ data, error }: { data?: T; error?: Problem }): T {
  assert(data !== undefined, error && `${error.status} ${error.code}: ${error.detail}`);
  return data;
}

const baseUrl = process.argv[2];
assert(baseUrl, "usage: session.js URL");
const anonymous = createClient<paths>({ baseUrl });

// Register.
const password = "the TypeScript client's passphrase";
const signedIn = body(
  await anonymous.POST("/api/auth/register/", {
    body: { username: "typescript", email: "typescript@example.com", password },
  }),
);
assert.equal(signedIn.user.username, "typescript");
assert.equal(signedIn.user.role, "member");
const caller = createClient<paths>({
  baseUrl,
  headers: { authorization: `Bearer ${signedIn.access}` },
});

// Add a movie, so that there is one to find.
const fields: NewMovie = {
  title: "The TypeScript Session",
  description: "A generated client registers, searches and adds to favorites.",
  release_date: "2024-02-29",
  director: "Ada Client",
  genre: "Documentary",
};
const movie: Movie = body(await caller.POST("/api/movies/", { body: fields }));
assert.equal(movie.user, signedIn.user.id);
assert.equal(movie.imdb_id, null);
assert.equal(movie.cover_image, null);

// Search, anonymously.
const found = body(
  await anonymous.GET("/api/movies/search/", { params: { query: { q: "typescript session", limit: 5 } } }),
);
assert.equal(found.count, null);
assert.equal(found.next, null);
assert.deepEqual(found.results.map(({ id, favorite }) => ({ id, favorite })), [{ id: movie.id, favorite: false }]);

// Add to favorites.
const path = { id: movie.id };
const favorite = body(await caller.PUT("/api/movies/{id}/favorite/", { params: { path } }));
assert.deepEqual([favorite.favorite, favorite.favorite_count], [true, 1]);
const favorites = body(await caller.GET("/api/users/me/favorites/"));
assert.deepEqual(favorites.results.map((one: Movie) => one.title), [fields.title]);

// Errors are problem documents, typed.
const invalid = await caller.POST("/api/movies/", { body: { ...fields, title: "", release_date: "2023-02-29" } });
const problem: Problem | undefined = invalid.error;
assert.equal(invalid.response.status, 400);
assert.equal(problem?.code, "invalid_input");
assert.deepEqual(Object.keys(problem.errors ?? {}).sort(), ["release_date", "title"]);
const refused = await anonymous.DELETE("/api/movies/{id}/", { params: { path } });
assert.deepEqual([refused.error?.status, refused.error?.code], [401, "unauthenticated"]);
const deleted = await caller.DELETE("/api/movies/{id}/", { params: { path } });
assert.equal(deleted.response.status, 204);
const missing = await anonymous.GET("/api/movies/{id}/", { params: { path } });
assert.equal(missing.error?.code, "not_found");
assert.equal(missing.error.request_id, missing.response.headers.get("x-request-id"));
