//! Locks, atomics and the hasher of what threads share: those of the language, or loom's, which tries every order of
//! threads (`cfg(scv2_loom)`, see `.ci/loom`).

#[cfg(not(all(test, scv2_loom)))]
mod chosen {
    #[cfg(feature = "server")]
    pub(crate) use std::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use std::{
        hash::RandomState,
        sync::{Mutex, MutexGuard},
    };
}

#[cfg(all(test, scv2_loom))]
mod chosen {
    pub(crate) use loom::sync::atomic::{AtomicUsize, Ordering};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    /// The same in every run: loom goes back and tries another order, which must lead to the same places.
    pub(crate) type RandomState = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;
}

pub(crate) use chosen::*;

/// Runs `body` in every order of its threads, with every value that an atomic may show; says how many there were.
#[cfg(all(test, scv2_loom))]
pub(crate) fn explore(name: &str, body: impl Fn() + Sync + Send + 'static) {
    explore_within(None, name, body);
}

/// The same, of the orders in which a thread that could go on is stopped at most so often, where all are too many.
#[cfg(all(test, scv2_loom))]
pub(crate) fn explore_within(stops: Option<usize>, name: &str, body: impl Fn() + Sync + Send + 'static) {
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize as Plain;

    let orders = Arc::new(Plain::new(0));
    let (counted, body) = (Arc::clone(&orders), Arc::new(body));
    let mut model = loom::model::Builder::new();
    model.preemption_bound = stops;
    model.check(move || {
        counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = Arc::clone(&body);
        spawn(move || body()).join().unwrap();
    });
    let orders = orders.load(std::sync::atomic::Ordering::Relaxed);
    println!("{name}: {orders} orders");
    assert!(orders > 1, "or there was no race to look at");
}

/// A thread of loom with room for code that was not optimized; its own have 32 KiB.
#[cfg(all(test, scv2_loom))]
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> loom::thread::JoinHandle<T> {
    const STACK_WORDS: usize = 64 * 1024;
    loom::thread::Builder::new().stack_size(STACK_WORDS).spawn(work).unwrap()
}
