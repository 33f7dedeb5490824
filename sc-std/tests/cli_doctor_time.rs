//! `scv2 doctor` finds what only the time gives away. Alone in its program: load from other tests would blind it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod cli_support;
mod leaky_server;
mod server_support;

use std::time::{Duration, Instant};

use leaky_server::{Leak, examined, findings};

/// On a loaded machine it takes more of them; load never makes a difference where there is none.
const SAMPLES: [&str; 4] = ["60", "250", "1000", "4000"];

/// Whoever unwraps the request key goes on to work for 400 µs.
const EARLY_RETURN: Leak = |seen, _, _| {
    let until = Instant::now() + Duration::from_micros(400);
    while seen.unwrapped.is_some_and(|[request, _]| request.is_some()) && Instant::now() < until {
        std::hint::spin_loop();
    }
};

/// Takes more samples until a cause is found by its time; gives all findings.
async fn found(cause: &str) -> Vec<String> {
    for samples in SAMPLES {
        let ran = examined(EARLY_RETURN, "set-ups", samples, &["--json"]).await;
        let found = findings(&ran);
        assert_eq!(ran.code, i32::from(!found.is_empty()), "{}", ran.err);
        if found.iter().any(|finding| finding.starts_with(cause)) {
            return found;
        }
    }
    panic!("{cause} was not found");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_early_return_on_bad_padding_is_found_by_its_time_alone() {
    let found = found("key of 31 bytes: time: ").await;
    assert!(found.iter().all(|finding| finding.contains(": time: ")), "{found:#?}");
    assert!(found.iter().any(|finding| finding.contains(" us slower than the others (")), "{found:#?}");
    assert!(!found.iter().any(|finding| finding.starts_with("first byte not zero")), "{found:#?}");
}
