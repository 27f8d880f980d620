//! work in progress
pub mod error;
pub mod record;
pub mod sink;
mod stop;
pub use error::{Error, Result};
pub use stop::{Stop, Stopper};
