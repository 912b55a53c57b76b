//! Pages of ordered collections: the length of a page, its beginning, its items, and its neighbors.
//!
//! A collection has an order and is read from one [`Position`] on. A [`Window`] is a page's beginning: the start of the
//! collection, just after a position (the `next` of another page), or just before one (a `previous`). A page before a
//! position is read backward, from its end to its start, so that it ends at the position, however many items are before it.

use crate::db::range::Direction;

/// The most items a page may have: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PageLimit(u8);

impl PageLimit {
    /// The largest page.
    pub const MAX: Self = Self(100);

    /// Returns a limit of `LIMIT` items. A number out of range doesn't compile.
    #[must_use]
    pub const fn of<const LIMIT: u8>() -> Self {
        const { assert!(LIMIT >= 1 && LIMIT <= Self::MAX.0) };
        Self(LIMIT)
    }

    /// Parses a limit: digits only, 1 to 100.
    ///
    /// # Errors
    /// The message for the client, for any other text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        Some(text)
            // The parser alone would accept a plus sign.
            .filter(|text| text.starts_with(|c: char| c.is_ascii_digit()))
            .and_then(|text| text.parse().ok())
            .filter(|limit| (1..=Self::MAX.0).contains(limit))
            .map(Self)
            .ok_or("Must be a whole number from 1 to 100.")
    }

    /// The number of items.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// A place in an ordered collection: a sort key, which need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The number of the term that drives the walk of a search. `0` in every other collection.
    pub driver: u8,
    /// The number of the walk's range that contains the key. `0` in a walk of one range.
    pub range: u8,
    /// The sort key.
    pub key: String,
    /// The corrected query that the walk of a search answers. `None` in every other walk.
    pub corrected_query: Option<String>,
}

impl Position {
    /// The position of a sort key in a walk of one range.
    pub fn at(key: impl Into<String>) -> Self {
        Self {
            driver: 0,
            range: 0,
            key: key.into(),
            corrected_query: None,
        }
    }

    /// The position next to this one in `direction`.
    fn neighbor(&self, direction: Direction) -> Self {
        Self {
            key: direction.next_key(&self.key),
            ..self.clone()
        }
    }
}

/// Where a page begins, and in which direction it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// The first page.
    First,
    /// The page that begins just after a position.
    After(Position),
    /// The page that ends just before a position.
    Before(Position),
}

impl Window {
    /// Whether the page is read from its end to its start.
    #[must_use]
    pub fn is_backward(&self) -> bool {
        matches!(self, Self::Before(_))
    }

    /// The position that the page is next to.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::First => None,
            Self::After(position) | Self::Before(position) => Some(position),
        }
    }

    /// The same window, in the walk of a corrected query.
    #[must_use]
    pub fn of_corrected_query(mut self, corrected_query: &str) -> Self {
        if let Self::After(position) | Self::Before(position) = &mut self {
            position.corrected_query = Some(corrected_query.to_owned());
        }
        self
    }

    /// The direction in which the page is read in a collection of this order.
    #[must_use]
    pub fn reading(&self, order: Direction) -> Direction {
        if self.is_backward() {
            order.reversed()
        } else {
            order
        }
    }
}

/// What was read for a page, in the direction of reading.
#[derive(Clone, Debug)]
pub struct Reading<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// The position of the first of them. `None` if there are none.
    pub first: Option<Position>,
    /// The position up to which the collection was read. `None` if nothing was found there.
    pub last: Option<Position>,
    /// Whether items may follow `last`.
    pub more: bool,
}

impl<T> Reading<T> {
    /// The page of `window`, in a collection of this order.
    #[must_use]
    pub fn into_slice(self, window: &Window, order: Direction) -> Slice<T> {
        let Self {
            mut items,
            first,
            last,
            more,
        } = self;
        // The page from which this one was reached always has a window, even if all its items were deleted since. That
        // window then begins at the position.
        let (previous, next) = match window {
            Window::First => (None, last.filter(|_| more).map(Window::After)),
            Window::After(from) => {
                let first = first.unwrap_or_else(|| from.neighbor(order));
                (
                    Some(Window::Before(first)),
                    last.filter(|_| more).map(Window::After),
                )
            }
            Window::Before(from) => {
                items.reverse();
                let end = first.unwrap_or_else(|| from.neighbor(order.reversed()));
                (
                    last.filter(|_| more).map(Window::Before),
                    Some(Window::After(end)),
                )
            }
        };
        Slice {
            items,
            previous,
            next,
        }
    }
}

/// A page's items, and the windows of its neighbors.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// The items in the collection's order, in whichever direction they were read.
    pub items: Vec<T>,
    /// The page before this one, if there may be one.
    pub previous: Option<Window>,
    /// The page after this one, if there may be one.
    pub next: Option<Window>,
}

/// A slice of a collection, and the number of items in the whole collection.
#[derive(Clone, Debug)]
pub struct Counted<T> {
    /// The number of items in the collection.
    pub count: u64,
    /// The slice.
    pub slice: Slice<T>,
}

impl<T> Counted<T> {
    /// Returns the same count and slice, with each item replaced by the result of `change`.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Counted<U>, E> {
        Ok(Counted {
            count: self.count,
            slice: self.slice.try_map(change)?,
        })
    }
}

impl<T> Default for Counted<T> {
    fn default() -> Self {
        Self {
            count: 0,
            slice: Slice::default(),
        }
    }
}

impl<T> Default for Slice<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            previous: None,
            next: None,
        }
    }
}

impl<T> Slice<T> {
    /// The items, and the same slice without items.
    #[must_use]
    pub fn split<U>(self) -> (Vec<T>, Slice<U>) {
        let place = Slice {
            items: Vec::new(),
            previous: self.previous,
            next: self.next,
        };
        (self.items, place)
    }

    /// The same slice with these items.
    #[must_use]
    pub fn with_items(self, items: Vec<T>) -> Self {
        Self { items, ..self }
    }

    /// Returns the same slice, with each item replaced by the result of `change`.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Slice<U> {
        let (items, place) = self.split();
        place.with_items(items.into_iter().map(change).collect())
    }

    /// Does the same as [`Slice::map`], for a `change` that can fail.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Slice<U>, E> {
        let (items, place) = self.split();
        Ok(place.with_items(items.into_iter().map(change).collect::<Result<_, E>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(key: &str) -> Position {
        Position::at(key)
    }

    fn reading(keys: &[&str], more: bool) -> Reading<String> {
        Reading {
            items: keys.iter().map(ToString::to_string).collect(),
            first: keys.first().map(|key| at(key)),
            last: keys.last().map(|key| at(key)),
            more,
        }
    }

    #[test]
    fn a_page_names_its_neighbors() {
        for (window, keys, more, items, previous, next) in [
            (Window::First, &["b#", "c#"][..], false, "b# c#", None, None),
            (
                Window::First,
                &["b#", "c#"],
                true,
                "b# c#",
                None,
                Some(Window::After(at("c#"))),
            ),
            (
                Window::After(at("a#")),
                &["b#", "c#"],
                true,
                "b# c#",
                Some(Window::Before(at("b#"))),
                Some(Window::After(at("c#"))),
            ),
            (
                Window::Before(at("d#")),
                &["c#", "b#"],
                true,
                "b# c#",
                Some(Window::Before(at("b#"))),
                Some(Window::After(at("c#"))),
            ),
            (
                Window::Before(at("d#")),
                &["c#"],
                false,
                "c#",
                None,
                Some(Window::After(at("c#"))),
            ),
            // Nothing is left on this page. The one before it, or after it, is named all the same.
            (
                Window::After(at("a#")),
                &[],
                false,
                "",
                Some(Window::Before(at("a$"))),
                None,
            ),
            (
                Window::Before(at("d#")),
                &[],
                false,
                "",
                None,
                Some(Window::After(at("d\""))),
            ),
        ] {
            let slice = reading(keys, more).into_slice(&window, Direction::Ascending);
            assert_eq!(slice.items.join(" "), items, "{window:?}");
            assert_eq!(
                (slice.previous, slice.next),
                (previous, next),
                "{window:?} {keys:?}"
            );
        }
    }

    #[test]
    fn a_limit_is_a_plain_number_from_1_to_100() {
        for (text, limit) in [("1", Some(1)), ("007", Some(7)), ("100", Some(100))] {
            assert_eq!(PageLimit::parse(text).ok().map(PageLimit::get), limit);
        }
        for text in ["", "0", "101", "+5", "-1", "1.0", "ten", "4294967297"] {
            assert!(PageLimit::parse(text).is_err(), "{text}");
        }
    }
}
