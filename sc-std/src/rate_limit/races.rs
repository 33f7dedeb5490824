//! The limiter in memory in every order of threads: `.ci/loom`.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::sync::Arc;

use futures_util::FutureExt;
use sc_core::id::UnixMillis;

use super::{Limit, LimitKey, SlidingWindow, check_and_claim};
use crate::sync::{explore, spawn};

const NOW: UnixMillis = UnixMillis(1);

fn key(n: u8) -> LimitKey {
    LimitKey::of_hash([n; 32])
}

fn limit(count: u32) -> Arc<SlidingWindow> {
    Arc::new(SlidingWindow::new(Limit::new(count, 1_000), 10))
}

#[test]
fn races_for_the_last_requests_of_a_window_let_no_more_through() {
    for count in 1..=2 {
        explore(&format!("three requests, {count} left"), move || {
            let limit = limit(count);
            let others = [(); 2].map(|()| {
                let limit = Arc::clone(&limit);
                spawn(move || limit.claim(&key(1), NOW).is_ok())
            });
            let own = limit.claim(&key(1), NOW).is_ok();
            let passed = others.into_iter().map(|other| usize::from(other.join().unwrap())).sum::<usize>();
            assert_eq!(passed + usize::from(own), usize::try_from(count).unwrap());
            assert!(limit.refusal(&key(1), NOW).is_some());
        });
    }
}

#[test]
fn races_through_two_limits_let_no_more_through_than_the_smaller_and_spend_no_more() {
    explore("two requests through two limits, one left", || {
        let (first, second) = (limit(3), limit(1));
        let (one, two) = (Arc::clone(&first), Arc::clone(&second));
        let pass = |first: &SlidingWindow, second: &SlidingWindow| {
            check_and_claim((first, &key(1)), (second, &key(2)), NOW).now_or_never().unwrap().is_ok()
        };
        let other = spawn(move || pass(&one, &two));
        let own = pass(&first, &second);
        assert!(own != other.join().unwrap(), "exactly one");
        let left = (0..5).filter(|_| first.claim(&key(1), NOW).is_ok()).count();
        assert_eq!(left, 2, "what the second refused, the first has got back");
    });
}

#[test]
fn races_of_strangers_at_a_full_limit_count_no_more_keys_than_it_may() {
    explore("three strangers, room for one", || {
        let limit = Arc::new(SlidingWindow::new(Limit::new(1, 1_000), 1));
        let others = [1, 2].map(|n| {
            let limit = Arc::clone(&limit);
            spawn(move || limit.claim(&key(n), NOW).is_ok())
        });
        let own = limit.claim(&key(3), NOW).is_ok();
        let passed = others.into_iter().map(|other| usize::from(other.join().unwrap())).sum::<usize>();
        assert_eq!(passed + usize::from(own), 1);
    });
}
