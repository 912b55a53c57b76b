//! The kinds of disagreement that an audit can find, with their stable names.

use std::{fmt, str::FromStr};

macro_rules! kinds {
    ($($variant:ident $name:literal $text:literal,)*) => {
        /// A kind of disagreement. docs/audit.md lists them all.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = $text] $variant,)*
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name, which never changes.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

kinds! {
    UnknownItem "unknown_item" "An item of no known class.",
    InvalidItem "invalid_item" "An item that can't be read as what its key says.",
    KeyTooLong "key_too_long" "A key that DynamoDB would refuse.",
    PostingTooLarge "posting_too_large" "A posting that is larger than its kind may be.",
    PasswordHashMisplaced "password_hash_misplaced" "A user's own item with a password hash.",
    LayoutWrong "layout_wrong" "A table of another layout.",
    PostingMissing "posting_missing" "A posting that a movie lacks.",
    PostingWrong "posting_wrong" "A posting with other attributes than its movie says.",
    PostingOrphan "posting_orphan" "A posting that no movie has.",
    FavoriteCountWrong "favorite_count_wrong" "A movie whose likes disagree with its favorites.",
    LikesShardWrong "likes_shard_wrong" "A movie in a shard that isn't read.",
    DateKeysWrong "date_keys_wrong" "A movie in a wrong place of the index by date.",
    EditUnfinished "edit_unfinished" "An edit that was interrupted.",
    ImdbIdMissing "imdb_id_missing" "A movie's IMDb id whose item is missing or names another movie.",
    ImdbIdOrphan "imdb_id_orphan" "The item of an IMDb id that its movie doesn't have.",
    OwnedMissing "owned_missing" "A movie that is not among those of its owner.",
    OwnedOrphan "owned_orphan" "A movie among those of a user who isn't its owner.",
    FavoriteOrphan "favorite_orphan" "A favorite on a movie that doesn't exist.",
    FavoriteWrong "favorite_wrong" "A favorite whose attributes disagree with its key.",
    SweepWrong "sweep_wrong" "An existing movie whose favorites are to be deleted.",
    UserGone "user_gone" "Something of a user who neither exists nor is looked after.",
    LoginWrong "login_wrong" "A login that disagrees with its user, or that a user lacks.",
    PasswordDiffers "password_differs" "A user whose logins have different passwords.",
    LeavingWrong "leaving_wrong" "An existing user who is looked after as deleted.",
    GenreMissing "genre_missing" "A genre of movies without an item.",
    GenreOrphan "genre_orphan" "A genre without movies.",
    GenreCountWrong "genre_count_wrong" "A genre whose count is wrong.",
    GenreNameWrong "genre_name_wrong" "A genre whose name or identity disagrees with its key.",
    GenreListMissing "genre_list_missing" "A genre without a list of newest movies.",
    GenreListWrong "genre_list_wrong" "A genre whose list of newest movies is wrong.",
    GenreTooLarge "genre_too_large" "A genre's item that costs more than one write unit.",
    WordMissing "word_missing" "A word that the vocabulary lacks.",
    WordWrong "word_wrong" "An item of the vocabulary that is not as its words say.",
    CoverMissing "cover_missing" "A movie whose uploaded cover is not in the store.",
    CoverShared "cover_shared" "An uploaded cover of two movies.",
    CoverOrphan "cover_orphan" "An image in the store that no movie has.",
    CoverUnknown "cover_unknown" "An object in the store of covers that is no image of a cover.",
    KeptAnswerWrong "kept_answer_wrong" "A kept answer that can't be answered again.",
    CounterWrong "counter_wrong" "A counter that disagrees with what it counts.",
    LastIdWrong "last_id_wrong" "A last id below one that was given out.",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name() == name)
            .ok_or(())
    }
}
