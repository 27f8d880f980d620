//! Calls that a signal has broken off.

use std::io;

/// Makes a call again for as long as signals break it off.
///
/// Also a sync: what EINTR leaves unwritten is as dirty as before and is not forgotten, unlike after EIO.
pub(super) fn again<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The same for a call that takes a name away. Should a call that was broken off have done its work after all, as can happen
/// where the file system is another process (FUSE), the next one finds nothing to do.
pub(super) fn again_or_gone(mut call: impl FnMut() -> io::Result<()>) -> io::Result<()> {
    let mut broken_off = false;
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => broken_off = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound && broken_off => return Ok(()),
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_made_until_no_signal_breaks_it_off() {
        let mut calls = 0;
        let result = again(|| {
            calls += 1;
            if calls < 3 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(result.unwrap(), 3);
        let result = again::<()>(|| Err(io::ErrorKind::NotFound.into()));
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_name_that_a_broken_off_call_has_taken_away_is_not_missed() {
        let missing = || Err(io::ErrorKind::NotFound.into());
        let mut results = vec![missing(), Err(io::ErrorKind::Interrupted.into())];
        assert!(again_or_gone(|| results.pop().unwrap()).is_ok());
        assert!(again_or_gone(missing).is_err(), "it was not there from the start");
    }
}
