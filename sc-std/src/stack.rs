//! Wipes the stack behind work that handles keys: whatever is moved leaves a copy where it was, and nobody owns that.

use std::pin::Pin;
use std::task::{Context, Poll};

/// How much of the stack is wiped, in bytes: more than the calls of a set-up or of a mail use.
const DEPTH: usize = 32 * 1024;

/// Runs `work`, then wipes the stack that it has used. What it gives back passes through the part that is not wiped: a
/// box, or nothing secret.
pub(crate) fn wiped<T>(work: impl FnOnce() -> T) -> T {
    let result = deeper(work);
    wipe();
    result
}

/// Never inlined, so that `work` uses the stack that [`wipe`] uses after it.
#[inline(never)]
fn deeper<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[inline(never)]
fn wipe() {
    let mut room = [0_u8; DEPTH];
    std::hint::black_box(&mut room);
}

/// A future behind whose every step the stack is wiped.
#[must_use = "futures do nothing unless they are awaited"]
pub(crate) struct Wiped<F>(Pin<Box<F>>);

impl<F: Future> Wiped<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Box::pin(future))
    }
}

impl<F: Future> Future for Wiped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.0.as_mut();
        wiped(|| future.poll(context))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    const SECRET: u8 = 0xa5;
    const LEN: usize = 8 * 1024;

    /// Leaves a secret on the stack.
    fn handle() -> usize {
        let secret = [SECRET; LEN];
        std::hint::black_box(&secret).len()
    }

    #[test]
    fn nothing_is_left_on_the_stack_of_work_that_is_wiped_nor_of_a_future() {
        let (memory, mut bytes, place) = (File::open("/proc/self/mem").unwrap(), vec![0; DEPTH], 0_u8);
        let top = std::ptr::from_ref(&place).expose_provenance();
        // How much of it is there, below this call's own place.
        let mut left = || {
            memory.read_exact_at(&mut bytes, u64::try_from(top - DEPTH).unwrap()).unwrap();
            bytes.iter().filter(|byte| **byte == SECRET).count()
        };
        assert_eq!(deeper(handle), LEN);
        assert!(left() > LEN / 2, "or this test would show nothing");
        assert_eq!(wiped(handle), LEN);
        assert!(left() < 64, "the search itself uses a little");

        let mut future = Wiped::new(async { handle() });
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert_eq!(deeper(handle), LEN);
        assert!(left() > LEN / 2);
        assert_eq!(Pin::new(&mut future).poll(&mut context), Poll::Ready(LEN));
        assert!(left() < 64);
    }
}
