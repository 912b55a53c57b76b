//! Reads the bytes of a file from front to back.

use super::{INCOMPLETE, Refused};

/// What is left to read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns what is left.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Returns the next `count` bytes.
    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Refused> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(INCOMPLETE)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Returns the next bytes as an array.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(INCOMPLETE)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, Refused> {
        self.array().map(|[byte]| byte)
    }

    /// Returns the next two bytes as a number, the most significant first.
    pub(super) fn u16(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_be_bytes)
    }

    /// Returns the next four bytes as a number, the most significant first.
    pub(super) fn u32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_be_bytes)
    }

    /// Returns the next eight bytes as a number, the most significant first.
    pub(super) fn u64(&mut self) -> Result<u64, Refused> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Returns a length as an index. One that doesn't fit is longer than any file.
pub(super) fn length(length: impl TryInto<usize>) -> Result<usize, Refused> {
    length.try_into().map_err(|_| INCOMPLETE)
}
