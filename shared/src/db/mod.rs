//! The single-table design. The ids `AP-…` are those of `docs/data-model.md`, which describes every item, key and access
//! pattern.
//!
//! # Errors
//!
//! Every function here that calls the table returns [`Error::Unavailable`](crate::Error::Unavailable) if the table can't be
//! reached before the deadline of the request ([`retry`]), and [`Error::Internal`](crate::Error::Internal) if a stored item
//! can't be decoded or a request can't be built. A function's `# Errors` section lists only its other errors.
//!
//! # Files
//!
//! Each file uses only files listed above it. `tests/rooms.rs` checks this.
//!
//! | file | holds |
//! |---|---|
//! | [`attributes`] | the attributes of an item, as they are written and read |
//! | [`keys`] | every key except those of postings |
//! | [`range`] | a range of sort keys, and the direction in which it is read |
//! | [`posting_keys`] | the keys of postings |
//! | `entity` | decoding an item as an entity, by serde |
//! | [`item`] | an item; encoding an entity as an item and decoding it |
//! | `consumed` | the units that an answer says its call consumed |
//! | `answer` | the answers of reads, decoded straight into items |
//! | [`expression`] | condition and update expressions |
//! | `failure` | which failures of a call are temporary |
//! | [`retry`] | deadlines, retries and pauses |
//! | [`likes`] | the `likes` attribute, which encodes a movie's favorite count, and the shards of its index |
//! | `last_id` | the last id that a process has seen |
//! | [`known_words`] | the words that a process has seen in the vocabulary |
//! | [`store`] | the table; calls on one item or one range |
//! | [`batch`] | calls on many items |
//! | [`transaction`] | transactions |
//! | `optimistic` | read, decide, write if nothing has changed |
//! | [`page`] | pages, and the positions where they begin |
//! | [`counter`] | numbers of items, and the last ids |
//! | [`walk`] | reading a collection page by page |
//! | [`cursor`] | cursors: encrypted positions |
//! | `cursor_key` | the key that encrypts cursors |
//! | [`public_key`] | the public keys that verify access tokens |
//! | [`user`] | users and their login items |
//! | [`session`] | sessions |
//! | [`session_list`] | the list of a user's sessions |
//! | [`password_change`] | changing a password |
//! | [`names_change`] | changing a username and an email |
//! | [`attempt_limits`] | when an attempt to sign in must wait |
//! | [`attempts`] | counting attempts to sign in |
//! | [`outbox`] | mails that were asked for and not sent yet |
//! | [`password_reset`] | password reset tokens |
//! | [`movie`] | movies; reads by id |
//! | [`covers`] | uploaded covers that movies may not have |
//! | `export` | every movie, for an export |
//! | [`idempotency`] | the answers that are kept under idempotency keys |
//! | `likes_index` | the index of movies by likes; moving movies between its shards |
//! | [`newest`] | the list of newest movies in a genre's item |
//! | [`newest_change`] | changes of this list |
//! | [`genre`] | genres, their counts and their newest movies |
//! | [`imdb_id`] | the movie of each IMDb id |
//! | [`owned`] | the movies of each user |
//! | [`words`] | a movie's words, and which words of a search match them |
//! | [`encoded_words`] | all words of a movie as one text, in which a search looks for its terms |
//! | `vocabulary::pieces` | the pieces of a word, and its entries in the vocabulary |
//! | `vocabulary::near` | the words near a typed word |
//! | [`vocabulary`] | the words of the catalog, by which mistyped words are corrected |
//! | [`new_words`] | finding new words and adding them to the vocabulary |
//! | [`verdict`] | the answer to a question that may be left open |
//! | [`carried`] | the words that a posting carries |
//! | [`posting_list`] | which postings a movie has |
//! | [`index`] | a movie's postings, as items |
//! | [`earlier_postings`] | the keys of the postings of an earlier layout |
//! | [`unfinished`] | edits that take two transactions |
//! | `rewrite::stored` | the stored postings that are compared with their movies |
//! | `rewrite::plan` | the transactions that rewrite a movie |
//! | `rewrite::genres` | the names and counts of genres after a rewriting |
//! | [`rewrite`] | rewriting the postings of a table of an earlier layout |
//! | `own_movies` | the items of movies with owners in a table of an earlier layout |
//! | [`layout`] | the version of a table's layout, and the steps from each to the next |
//! | [`posting`] | reading postings |
//! | [`search::plan`] | the budget of a search, and the size of its rounds |
//! | [`search::ranges`] | the ranges of postings that match a word or a title |
//! | [`search::query`] | the terms of a search, and which postings are hits |
//! | [`search::walk`] | the hits among what was read, and the page |
//! | [`search::reads`] | what a search has read, and the walks along it |
//! | [`search::second::typed`] | the words of a query that no movie matches, and what is known of each |
//! | [`search::second::first_try`] | what the first try shows about these words |
//! | [`search::second::lookup`] | which items of the vocabulary a second try reads |
//! | [`search::second::changes`] | the changes that may correct a query, and what each costs |
//! | [`search::second::alternatives`] | the corrected queries that the changes make |
//! | [`search::second::runs`] | which titles may be a word of the query without their spaces |
//! | [`search::second::evidence`] | the corrected queries for which a movie speaks |
//! | [`search::second::choice`] | which corrected queries are searched, and which one is the answer |
//! | [`search::second`] | the second try of a search |
//! | [`search`] | search |
//! | [`movie_lists`] | lists of movies |
//! | `filtered::filters` | the filters of a list of movies |
//! | `filtered::lists` | the lists by which filters are answered, and their entries |
//! | `filtered::lead` | several of these lists merged, and the one that got furthest |
//! | `filtered::plan` | the budget of a page with filters, and the size of its reads |
//! | `filtered::scan` | movies by id, each checked |
//! | `filtered::paging` | a page with filters while it is read |
//! | [`filtered`] | lists of movies with filters |
//! | [`import`] | the job of a bulk import, and its lookups |
//! | [`categories`] | genres with their newest movies |
//! | [`refill`] | filling the lists of newest movies that ran out |
//! | [`favorite`] | favorites |
//! | `sweep` | removing the favorites of deleted movies |
//! | [`leaving`] | deleting accounts |
//! | `create_movie` | adding a movie |
//! | [`edit_movie`] | editing a movie |
//! | `delete_movie` | deleting a movie |

pub(crate) mod answer;
pub mod attempt_limits;
pub mod attempts;
pub mod attributes;
pub mod batch;
pub mod carried;
pub mod categories;
mod consumed;
pub mod counter;
pub mod covers;
mod create_movie;
pub mod cursor;
mod cursor_key;
mod delete_movie;
pub mod earlier_postings;
pub mod edit_movie;
pub mod encoded_words;
mod entity;
mod export;
pub mod expression;
mod failure;
pub mod favorite;
pub mod filtered;
pub mod genre;
pub mod idempotency;
pub mod imdb_id;
pub mod import;
pub mod index;
pub mod item;
pub mod keys;
pub mod known_words;
mod last_id;
pub mod layout;
pub mod leaving;
pub mod likes;
mod likes_index;
pub mod movie;
pub mod movie_lists;
pub mod names_change;
pub mod new_words;
pub mod newest;
pub mod newest_change;
mod optimistic;
pub mod outbox;
mod own_movies;
pub mod owned;
pub mod page;
pub mod password_change;
pub mod password_reset;
pub mod posting;
pub mod posting_keys;
pub mod posting_list;
pub mod public_key;
pub mod range;
pub mod refill;
pub mod retry;
pub mod rewrite;
pub mod search;
pub mod session;
pub mod session_list;
pub mod store;
mod sweep;
pub mod transaction;
pub mod unfinished;
pub mod user;
pub mod verdict;
pub mod vocabulary;
pub mod walk;
pub mod words;

pub use keys::Key;
pub use store::Store;
