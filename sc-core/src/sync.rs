//! Atomics: those of the language, or loom's, which tries every order of threads (`cfg(scv2_loom)`, see `.ci/loom`).

#[cfg(not(all(test, scv2_loom)))]
pub(crate) use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
#[cfg(all(test, scv2_loom))]
pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
