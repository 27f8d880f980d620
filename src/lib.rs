//! work in progress
pub mod error;
pub mod ingest;
pub mod journal;
pub mod record;
pub mod stop;
pub use error::{Error, Result};
