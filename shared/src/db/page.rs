//! Pages of ordered collections: how long one is, where it begins, what is in it, and where its neighbors begin.

/// The most items a page may have: 1 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit(u8);

impl PageLimit {
    /// The largest page.
    pub const MAX: Self = Self(100);

    /// A limit of `LIMIT` items. One that is out of range doesn't compile.
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
            .ok_or("Must be a number from 1 to 100.")
    }

    /// The number of items.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0 as usize
    }
}

/// A place in an ordered collection: just before or just after a sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which word of a search drives the walk, as an index of its terms; `0` in every other collection.
    pub driver: u8,
    /// Which of the walk's ranges the key is in; `0` in a walk of one range.
    pub range: u8,
    /// The sort key.
    pub key: String,
}

impl Position {
    /// The position of a sort key in a walk of one range.
    pub fn at(key: impl Into<String>) -> Self {
        Self {
            driver: 0,
            range: 0,
            key: key.into(),
        }
    }
}

/// Where a page begins and which way it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// The first page.
    First,
    /// What comes after a position.
    After(Position),
    /// What comes before a position: the page that ends there.
    Before(Position),
}

impl Window {
    /// Whether the page is read from its end to its start.
    #[must_use]
    pub fn is_backward(&self) -> bool {
        matches!(self, Self::Before(_))
    }

    /// The position the page starts from.
    #[must_use]
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::First => None,
            Self::After(position) | Self::Before(position) => Some(position),
        }
    }
}

/// Part of an ordered walk: its items, and where to go on in each direction.
#[derive(Clone, Debug)]
pub struct Slice<T> {
    /// In the collection's order, whichever way they were read.
    pub items: Vec<T>,
    /// The page before this one, if there is any.
    pub previous: Option<Window>,
    /// The page after this one, if there is any.
    pub next: Option<Window>,
}

/// A slice of a collection, and how many items the whole collection has.
#[derive(Clone, Debug)]
pub struct Counted<T> {
    /// How many items the collection has.
    pub count: u64,
    /// The slice.
    pub slice: Slice<T>,
}

impl<T> Counted<T> {
    /// The same count, with each item as `change` makes it.
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
    /// The items, and the same place with none.
    #[must_use]
    pub fn split<U>(self) -> (Vec<T>, Slice<U>) {
        let place = Slice {
            items: Vec::new(),
            previous: self.previous,
            next: self.next,
        };
        (self.items, place)
    }

    /// The same place with these items.
    #[must_use]
    pub fn with_items(self, items: Vec<T>) -> Self {
        Self { items, ..self }
    }

    /// The same place with each item as `change` makes it.
    pub fn map<U>(self, change: impl FnMut(T) -> U) -> Slice<U> {
        let (items, place) = self.split();
        place.with_items(items.into_iter().map(change).collect())
    }

    /// Likewise, unless `change` fails.
    ///
    /// # Errors
    /// The first error of `change`.
    pub fn try_map<U, E>(self, change: impl FnMut(T) -> Result<U, E>) -> Result<Slice<U>, E> {
        let (items, place) = self.split();
        Ok(place.with_items(items.into_iter().map(change).collect::<Result<_, E>>()?))
    }
}
