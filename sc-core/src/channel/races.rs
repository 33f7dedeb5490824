//! The count of a key's messages, and the end of a session, in every order of threads: `.ci/loom`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;
use std::vec::Vec;

use loom::sync::atomic::AtomicBool as Told;
use loom::thread;

use super::*;
use crate::testing::{Nothing, SeededRng};

const LAST: u32 = u32::MAX - 1;

fn sealer(sent: u32, ivs: IvMode) -> Sealer<Nothing> {
    let mut sealer =
        Sealer::for_requests(&RequestKey::from_bytes([7; 32]), ivs, &mut SeededRng::new(1)).unwrap();
    sealer.sent = AtomicU32::new(sent);
    sealer
}

fn seal(sealer: &Sealer<Nothing>) -> Option<[u8; 12]> {
    let sealed = sealer.seal_into(&mut SeededRng::new(2), b"", &mut [0; OVERHEAD]);
    sealed.ok().map(|iv| *iv.as_bytes())
}

/// The IVs of `threads` threads that seal one message each.
fn race(sealer: &Arc<Sealer<Nothing>>, threads: usize) -> Vec<[u8; 12]> {
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let sealer = Arc::clone(sealer);
            thread::spawn(move || seal(&sealer))
        })
        .collect();
    let own = seal(sealer);
    let others = others.into_iter().filter_map(|thread| thread.join().unwrap());
    own.into_iter().chain(others).collect()
}

#[test]
fn races_for_the_last_message_of_a_key_have_one_winner_and_the_count_never_wraps() {
    loom::model(|| {
        let sealer = Arc::new(sealer(LAST, IvMode::Random));
        assert_eq!(race(&sealer, 3).len(), 1);
        assert_eq!((sealer.sent(), seal(&sealer)), (u32::MAX, None));
    });
}

#[test]
fn races_never_take_a_session_beyond_its_limit() {
    loom::model(|| {
        let sealer = Arc::new(sealer(0, IvMode::Random).with_limit(2));
        assert_eq!((race(&sealer, 3).len(), sealer.sent()), (2, 2));
    });
}

#[test]
fn races_under_counter_ivs_never_give_one_iv_twice() {
    loom::model(|| {
        let sealer = Arc::new(sealer(5, IvMode::Counter));
        let mut counts: Vec<_> = race(&sealer, 3).iter().map(|iv| iv.get(8..).unwrap().to_vec()).collect();
        counts.sort_unstable();
        assert_eq!(counts, [5_u32, 6, 7].map(|count| count.to_be_bytes().to_vec()));
    });
}

#[test]
fn races_with_a_close_seal_nothing_after_it_was_told() {
    loom::model(|| {
        let session = Arc::new(crate::session::tests::session());
        let told = Arc::new(Told::new(false));
        let (closed, tell) = (Arc::clone(&session), Arc::clone(&told));
        let closer = thread::spawn(move || {
            closed.close();
            tell.store(true, Ordering::Release);
        });
        let was_told = told.load(Ordering::Acquire);
        let name = crate::id::MessageName::new("m").unwrap();
        let now = crate::id::Ticks(0);
        let sealed = session.seal_into(&mut SeededRng::new(2), now, name, b"", &mut [0; OVERHEAD]).is_ok();
        assert!(!(was_told && sealed));
        closer.join().unwrap();
        assert!(session.seal_into(&mut SeededRng::new(2), now, name, b"", &mut [0; OVERHEAD]).is_err());
    });
}
