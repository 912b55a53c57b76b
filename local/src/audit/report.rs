//! What an audit did, for its last line.

use std::{collections::BTreeMap, fmt};

use marquee_shared::db::Key;

use super::Kind;

/// What an audit did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// How many items were read.
    pub items: u64,
    /// The read units of the scan. 0 if the endpoint doesn't say.
    pub units: f64,
    /// How many objects the store of covers has. `None` if covers were not compared.
    pub objects: Option<u64>,
    /// How many disagreements of each kind were found and are left.
    pub left: BTreeMap<Kind, u64>,
    /// How many of each kind were mended.
    pub mended: BTreeMap<Kind, u64>,
    /// How many subjects were changed too often to be looked at again.
    pub busy: u64,
    /// The jobs of imports that are not finished. Nothing is mended while there is one.
    pub unfinished_imports: Vec<Key>,
    /// How many imports were ended.
    pub ended_imports: u64,
}

impl Report {
    /// Whether nothing is left that disagrees.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.left.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |kinds: &BTreeMap<Kind, u64>| kinds.values().sum::<u64>();
        let (found, mended) = (sum(&self.left) + sum(&self.mended), sum(&self.mended));
        write!(
            f,
            "read {} items, found {found} wrong, mended {mended}",
            self.items
        )?;
        if self.objects.is_none() {
            f.write_str("; covers were not compared")?;
        }
        if self.busy > 0 {
            write!(f, "; {} were changed too often to be looked at again", self.busy)?;
        }
        if self.ended_imports > 0 {
            let imports = if self.ended_imports == 1 {
                "import"
            } else {
                "imports"
            };
            write!(f, "; ended {} unfinished {imports}", self.ended_imports)?;
        }
        if !self.unfinished_imports.is_empty() && found > 0 {
            f.write_str(
                "; an import isn't finished, so nothing is mended: run it again first, with the same file and options, or end it with \
                 --end-imports",
            )?;
        }
        Ok(())
    }
}
