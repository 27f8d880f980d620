//! work in progress
pub mod error;
pub mod ingest_stub {}
pub mod journal;
pub mod record;
pub mod sink;
pub mod storage;
pub use error::{Error, Result};
