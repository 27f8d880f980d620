//! work in progress
pub mod error;
pub mod record;
pub use error::{Error, Result};
