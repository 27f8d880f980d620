//! A write that failed, with the item.

use std::fmt;

use crate::error::Error;

/// An item that was not taken, and why. It is not known to be safe; after an I/O error it may still turn up.
pub struct WriteError<T> {
    item: T,
    error: Error,
}

impl<T> WriteError<T> {
    pub(super) fn new(item: T, error: Error) -> Self {
        Self { item, error }
    }

    /// Why.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// The item.
    pub fn item(&self) -> &T {
        &self.item
    }

    /// The item, back.
    pub fn into_item(self) -> T {
        self.item
    }

    /// The item and the reason.
    pub fn into_parts(self) -> (T, Error) {
        (self.item, self.error)
    }
}

impl<T> fmt::Debug for WriteError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WriteError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for WriteError<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "not written: {}", self.error)
    }
}

impl<T> std::error::Error for WriteError<T> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl<T> From<WriteError<T>> for Error {
    fn from(error: WriteError<T>) -> Self {
        error.error
    }
}
