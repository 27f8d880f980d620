//! Waiting for what the delivering thread does, with or without a runtime.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use tokio::sync::oneshot;

use crate::error::{Error, Result};

/// Something that the buffer has begun and will finish whether or not anybody waits for it.
///
/// Await it on any executor, or call [`Completion::wait`] where there is none. To drop it, at any point, changes nothing but
/// that the result is not heard.
#[derive(Debug)]
#[must_use = "await it, or call `wait`; dropped, it goes on unheard"]
pub struct Completion<R>(oneshot::Receiver<Result<R>>);

/// The side that finishes.
pub(super) type Completer<R> = oneshot::Sender<Result<R>>;

impl<R> Completion<R> {
    pub(super) fn pair() -> (Completer<R>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Blocks the calling thread until it is finished. In async code await it instead.
    ///
    /// # Errors
    /// As the method that returned it.
    pub fn wait(self) -> Result<R> {
        block_on(self)
    }
}

impl<R> Future for Completion<R> {
    type Output = Result<R>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // The other side is dropped unfinished only when the buffer ends.
        Pin::new(&mut self.0).poll(context).map(|result| result.unwrap_or(Err(Error::Closed)))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, which sleeps while the future waits.
pub(super) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}
