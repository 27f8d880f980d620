//! work in progress
mod error;
mod ingest;
mod journal;
mod record;
mod replay;
mod sink;
mod stop;
mod storage;
pub use error::*;
pub use ingest::*;
pub use journal::*;
pub use record::*;
pub use replay::*;
pub use sink::*;
pub use stop::{Stop, Stopper};
