//! Pages of ordered collections: where one begins, what is in it, and where it goes on.

/// A place in an ordered collection: just before or just after a sort key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which of several candidate queries leads this walk; `0` where there is one.
    pub lead: u8,
    /// Which of the walk's spans the key is in.
    pub span: u8,
    /// The sort key.
    pub key: String,
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
