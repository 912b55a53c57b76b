//! The genres after a rewriting: their names and counts.
//!
//! The transactions of a rewriting keep each count right. But functions of this version may have edited and deleted movies
//! before they were rewritten, with genres whose identity has changed. Such a change looks for the movie in a genre in which
//! it isn't yet. So at the end each genre's memberships are counted.

use std::collections::BTreeSet;

use crate::{
    db::{
        counter::Counter,
        expression::{Condition, Update},
        genre::GenreItem,
        index,
        item::{number, text},
        keys,
        movie::movie_ids,
        newest::Newest,
        range::Direction,
        store::Store,
        transaction::{Outcome, Transaction},
    },
    domain::genre::identity,
    error::Result,
};

/// How many memberships one Query counts: at most 400 KB.
const PAGE: usize = 1_000;

/// The most attempts to correct a genre that is changed meanwhile.
const ATTEMPTS: usize = 20;

impl Store {
    /// Corrects the names and the counts of all genres, and of those with memberships of these identities.
    pub(super) async fn mend_genres(&self, mut identities: BTreeSet<String>) -> Result<()> {
        let genres = self.all_genres().await?.into_iter();
        identities.extend(genres.map(|genre| genre.identity));
        for identity in &identities {
            self.recount(identity).await?;
            self.rename(identity).await?;
        }
        Ok(())
    }

    /// Sets the count of a genre to the number of its memberships. If it was wrong, so may be the list of its newest movies,
    /// which is removed. The sweep fills it again.
    async fn recount(&self, identity: &str) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let genre = self.genre(identity).await?;
            let counted = genre.as_ref().map_or(0, |genre| genre.n);
            let members = self.count_members(identity).await?;
            if counted == members {
                return Ok(());
            }
            // A movie that joined or left meanwhile also makes the two differ. Then the item has changed.
            let again = self.genre(identity).await?.map_or(0, |genre| genre.n);
            if again != counted || self.count_members(identity).await? != members {
                continue;
            }
            if self.set_count(identity, genre, members).await? {
                return Ok(());
            }
        }
        tracing::warn!("a genre was changed too often to be counted");
        Ok(())
    }

    /// Makes a genre count so many movies. `false` if it has changed since it was read.
    async fn set_count(&self, identity: &str, genre: Option<GenreItem>, members: u64) -> Result<bool> {
        let on = self.on(keys::genre(identity));
        let mut transaction = Transaction::default();
        match genre {
            Some(genre) => {
                let same = Condition::new("#n = :counted").value(":counted", number(genre.n));
                if members == 0 {
                    transaction.add(on.delete(same)?);
                    transaction.add(self.count(Counter::Genres, -1)?);
                } else {
                    let set = Update::new("SET #n = :members REMOVE #newest, #floor")
                        .value(":members", number(members))
                        .only_if(same);
                    transaction.add(on.update(set)?);
                }
            }
            None => {
                let Some(name) = self.name_of(identity).await? else {
                    return Ok(false);
                };
                let genre = GenreItem {
                    identity: identity.to_owned(),
                    name,
                    n: members,
                    newest: Newest {
                        listed: None,
                        fill: 0,
                    },
                };
                transaction.add(on.put(&genre, Condition::not_exists())?);
                transaction.add(self.count(Counter::Genres, 1)?);
            }
        }
        Ok(matches!(self.transact(&transaction).await?, Outcome::Committed))
    }

    /// How many memberships a genre has.
    async fn count_members(&self, identity: &str) -> Result<u64> {
        let mut count = 0;
        let mut range = index::members(identity);
        loop {
            let read = self.query(&range, Direction::Ascending, PAGE).await?;
            count += read.items.len() as u64;
            match read.rest_of(range, Direction::Ascending) {
                Some(rest) => range = rest,
                None => return Ok(count),
            }
        }
    }

    /// Gives a genre the name that one of its movies has for it, if its own name has another identity now. Movies of
    /// *Action & Adventure* and of *Action Adventure* were in one genre, which had one of these names.
    async fn rename(&self, own: &str) -> Result<()> {
        let Some(genre) = self.genre(own).await? else {
            return Ok(());
        };
        if identity(&genre.name).as_deref() == Some(own) {
            return Ok(());
        }
        if let Some(name) = self.name_of(own).await? {
            let rename = Update::new("SET #name = :name")
                .value(":name", text(name))
                .when("#name = :old")
                .value(":old", text(genre.name));
            let mut transaction = Transaction::default();
            transaction.add(self.on(keys::genre(own)).update(rename)?);
            // If the condition fails, another process has renamed it, or it was deleted.
            self.transact(&transaction).await?;
        }
        Ok(())
    }

    /// The name that one of a genre's movies has for it.
    async fn name_of(&self, own: &str) -> Result<Option<String>> {
        let members = self.query(&index::members(own), Direction::Ascending, 1).await?;
        let Some(movie) = self.get_movies(&movie_ids(&members.items)?, None).await?.pop() else {
            return Ok(None);
        };
        let mut genres = movie.movie.fields.genres.iter();
        let genre = genres.find(|genre| genre.identity() == own);
        Ok(genre.map(|genre| genre.name().to_owned()))
    }
}
